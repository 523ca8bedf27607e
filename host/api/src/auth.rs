//! Registry credentials, as the `X-Registry-Auth` header and `POST /auth` carry them.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The header's name.
pub const HEADER: &str = "X-Registry-Auth";

/// Credentials for one registry; all empty for anonymous access.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// The user's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// The registry these are for.
    #[serde(rename = "serveraddress", skip_serializing_if = "String::is_empty")]
    pub server_address: String,
    /// An OAuth refresh token, in place of the password.
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    pub identity_token: String,
    /// A bearer token for the registry.
    #[serde(rename = "registrytoken", skip_serializing_if = "String::is_empty")]
    pub registry_token: String,
}

/// The answer of `POST /auth`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AuthResponse {
    /// `Login Succeeded`
    pub status: String,
    /// A refresh token to keep in place of the password; or empty.
    pub identity_token: String,
}

/// The header is not base64url of a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("invalid X-Registry-Auth header")]
pub struct InvalidAuth;

impl AuthConfig {
    /// The header's value: base64url (RFC 4648 section 5) of the JSON.
    pub fn to_header(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).expect("strings always serialize"))
    }

    /// Reads a header's value, padded or not. The error does not repeat it:
    /// it may hold a secret.
    pub fn from_header(value: &str) -> Result<Self, InvalidAuth> {
        let bytes = URL_SAFE_NO_PAD
            .decode(value.trim_end_matches('='))
            .map_err(|_| InvalidAuth)?;
        crate::json::decode(&bytes).map_err(|_| InvalidAuth)
    }
}

impl std::fmt::Debug for AuthResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_is_dockers_e30() {
        assert_eq!(AuthConfig::default().to_header(), "e30=");
        assert_eq!(
            AuthConfig::from_header("e30").unwrap(),
            AuthConfig::default()
        );
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let auth = AuthConfig {
            username: "u".into(),
            password: "hunter2".into(),
            ..Default::default()
        };
        assert!(!format!("{auth:?}").contains("hunter2"));
        assert_eq!(AuthConfig::from_header(&auth.to_header()).unwrap(), auth);
    }
}
