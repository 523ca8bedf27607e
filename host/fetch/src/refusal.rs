//! What registries say when they refuse (distribution-spec, "Error Codes").

use bulkhead_model::Reference;
use bulkhead_model::error::{ErrorKind, Kind};
use serde::Deserialize;

/// A registry's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for, in front of the registry's words.
    pub context: String,
    /// HTTP status.
    pub status: u16,
    /// The registry's code, in Docker's form: `manifest unknown`, `denied`.
    pub code: String,
    /// The registry's message.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.context.is_empty() {
            write!(f, "{}: ", self.context)?;
        }
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => write!(f, "received unexpected HTTP status: {}", self.status),
            (code, "") => f.write_str(code),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

impl Kind for Refusal {
    fn kind(&self) -> ErrorKind {
        match self.status {
            400 => ErrorKind::InvalidArgument,
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        }
    }
}

impl Refusal {
    /// Rate limits and overload pass.
    pub fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// A refusal of `what` (a URL), with the registry's words if any.
    pub(crate) fn new(what: &str, status: u16, body: &[u8]) -> Self {
        let (code, message) = words(body);
        Self {
            context: what.to_owned(),
            status,
            code,
            message,
        }
    }
}

/// What Docker prints when a registry refuses the manifest of `reference`.
pub fn refusal(reference: &Reference, status: u16, body: &[u8]) -> Refusal {
    let (mut code, mut message) = words(body);
    let context = match status {
        404 => {
            if code.is_empty() {
                (code, message) = ("manifest unknown".into(), "manifest unknown".into());
            }
            format!("manifest for {} not found", reference.familiar())
        }
        401 | 403 => {
            if code.is_empty() {
                (code, message) = (
                    "denied".into(),
                    "requested access to the resource is denied".into(),
                );
            }
            let name = reference.familiar_name();
            format!(
                "pull access denied for {name}, repository does not exist or may require 'docker login'"
            )
        }
        _ => String::new(),
    };
    Refusal {
        context,
        status,
        code,
        message,
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The first error of a refusal's body; empty when it has none. Registries
/// are not trusted with the user's terminal or time.
fn words(body: &[u8]) -> (String, String) {
    let first = serde_json::from_slice::<Body>(body)
        .ok()
        .and_then(|b| b.errors.into_iter().next());
    let plain = |text: &str| {
        text.chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect::<String>()
    };
    first.map_or_else(Default::default, |e| {
        (
            plain(&e.code.to_lowercase().replace('_', " ")),
            plain(&e.message),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_like_dockers() {
        let reference: Reference = "127.0.0.1:5000/x:y".parse().unwrap();
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        let text = refusal(&reference, 404, body).to_string();
        assert_eq!(
            text,
            "manifest for 127.0.0.1:5000/x:y not found: manifest unknown: manifest unknown"
        );
        let body = br#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        let text = refusal(&"x".parse().unwrap(), 401, body).to_string();
        assert_eq!(
            text,
            "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
        );
        assert_eq!(
            refusal(&reference, 404, b"<html>").to_string(),
            refusal(&reference, 404, b"").to_string()
        );
        assert_eq!(
            Refusal::new("u", 500, b"\xff").to_string(),
            "u: received unexpected HTTP status: 500"
        );
    }

    #[test]
    fn control_characters_of_a_registry_do_not_reach_the_terminal() {
        let body = br#"{"errors":[{"code":"X","message":"a\u001b[2Jb"}]}"#;
        assert_eq!(Refusal::new("u", 400, body).message, "a[2Jb");
    }
}
