//! The login that a client sends along with a call.

use bulkhead_api::auth::{AuthConfig, HEADER, InvalidAuth};
use bulkhead_model::registry::Credentials;
use hyper::Request;
use hyper::body::Incoming;

use crate::status::ApiError;

/// What `X-Registry-Auth` holds; `None` for an anonymous call.
pub fn of(request: &Request<Incoming>) -> Result<Option<Credentials>, ApiError> {
    let auth = match request.headers().get(HEADER) {
        Some(value) => AuthConfig::from_header(value.to_str().map_err(|_| InvalidAuth)?)?,
        None => AuthConfig::default(),
    };
    let tokens = [&auth.identity_token, &auth.registry_token];
    let anonymous = auth.username.is_empty() && tokens.iter().all(|token| token.is_empty());
    Ok((!anonymous).then_some(Credentials {
        username: auth.username,
        password: auth.password,
        identity_token: auth.identity_token,
        registry_token: auth.registry_token,
    }))
}
