//! `POST /auth`: tries credentials at a registry.

use std::sync::Arc;

use bulkhead_api::auth::{AuthConfig, AuthResponse};
use bulkhead_fetch::{Credentials, SessionRequest};
use bulkhead_model::registry::{RegistrySession, SessionError};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::body;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Docker Hub's name in references, and the server behind it.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Answers whether a registry takes the credentials.
pub async fn login(
    daemon: &Arc<Daemon>,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let auth: AuthConfig = bulkhead_api::json::decode(&body(request).await?)?;
    let registry = registry(&auth.server_address).to_owned();
    if registry.is_empty() || registry.contains(['@', '?', '#', '\\', ' ']) {
        return Err(ApiError::ServerAddress(auth.server_address));
    }
    let source = daemon.engine.sources.registry.as_ref();
    let given = auth.identity_token.clone();
    let mut session = daemon.registries.login(SessionRequest {
        granted_hosts: source.map_or_else(Vec::new, |s| s.granted_hosts().to_vec()),
        registry: registry.clone(),
        credentials: Some(credentials(auth)),
        directory: None,
    });
    let tried = tokio::task::spawn_blocking(move || {
        attempt(&mut session, &registry).map(|()| session.identity_token())
    });
    let token = tried.await.map_err(|_| ApiError::Panicked)??;
    // A token server need not give a new one: what was good stays.
    let identity_token = match token.is_empty() {
        true => given,
        false => token,
    };
    let answer = AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token,
    };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// The registry of an address as clients send it: `https://index.docker.io/v1/`,
/// `registry.example:5000`.
fn registry(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    match host {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.0,
        host => host,
    }
}

fn credentials(auth: AuthConfig) -> Credentials {
    if auth.identity_token.is_empty() {
        Credentials::Basic {
            username: auth.username,
            password: auth.password,
        }
    } else {
        Credentials::IdentityToken(auth.identity_token)
    }
}

/// Asks for the registry's root, as the distribution-spec has it ("API
/// version check"), and answers its challenge.
fn attempt(session: &mut dyn RegistrySession, registry: &str) -> Result<(), ApiError> {
    let host = match registry {
        hub if hub == DOCKER_HUB.0 => DOCKER_HUB.1,
        host => host,
    };
    let schemes: &[&str] = match session.allows_http(host) {
        true => &["http", "https"],
        false => &["https"],
    };
    let mut failure = None;
    for scheme in schemes {
        let url = format!("{scheme}://{host}/v2/");
        match attempt_at(session, registry, &url) {
            Err(ApiError::Registry(error)) if error.code == "unavailable" => {
                failure.get_or_insert(error);
            }
            done => return done,
        }
    }
    Err(failure.map_or(ApiError::Panicked, ApiError::Registry))
}

fn attempt_at(
    session: &mut dyn RegistrySession,
    registry: &str,
    url: &str,
) -> Result<(), ApiError> {
    let answer = session.request("GET", url, &[])?;
    let refused = |status: u16, said: &str| match status {
        200 => Ok(()),
        400 if said.contains("HTTPS server") => Err(unavailable(url, said)),
        401 | 403 => Err(ApiError::Unauthorized(url.to_owned())),
        status => Err(unavailable(url, &format!("HTTP status {status}"))),
    };
    if answer.status != 401 {
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        return refused(answer.status, &said);
    }
    let offered = answer.headers.iter();
    let offered: Vec<_> = offered
        .filter(|(name, _)| name == "www-authenticate")
        .filter_map(|(_, value)| challenge(value))
        .collect();
    let best = |wanted: &str| offered.iter().find(|(scheme, _)| scheme == wanted);
    let Some((scheme, params)) = best("bearer").or_else(|| best("basic")) else {
        return Err(ApiError::Unauthorized(url.to_owned()));
    };
    session
        .authenticate(registry, scheme, params)
        .map_err(|error| match error.code {
            "unauthorized" | "denied" => ApiError::Unauthorized(url.to_owned()),
            _ => ApiError::Registry(error),
        })?;
    refused(session.request("GET", url, &[])?.status, "")
}

fn unavailable(url: &str, why: &str) -> ApiError {
    ApiError::Registry(SessionError {
        code: "unavailable",
        message: format!("Get \"{url}\": {}", why.trim()),
        retryable: false,
    })
}

/// One challenge (RFC 9110, section 11.6.1): the scheme in lower case, the
/// parameters.
fn challenge(header: &str) -> Option<(String, Vec<(String, String)>)> {
    let (scheme, mut rest) = header.trim().split_once(' ')?;
    let mut params = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        let name = name.trim_matches([' ', ',', '\t']);
        params.push((name.to_ascii_lowercase(), value.to_owned()));
        rest = next;
    }
    Some((scheme.to_ascii_lowercase(), params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_registries() {
        for (address, name) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("", "docker.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://reg.example/v2/", "reg.example"),
        ] {
            assert_eq!(registry(address), name);
        }
    }

    #[test]
    fn challenges_are_taken_apart() {
        let (scheme, params) =
            challenge(r#"Bearer realm="https://a/token",service="s", scope=x"#).unwrap();
        assert_eq!(scheme, "bearer");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("realm", "https://a/token"),
            pair("service", "s"),
            pair("scope", "x"),
        ];
        assert_eq!(params, expected);
        assert!(challenge(r#"Basic realm="open"#).is_none());
        assert!(challenge("Basic").is_none());
    }
}
