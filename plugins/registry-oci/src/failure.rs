//! What an answer other than success means, in the words Docker's users know.

use bulkhead_plugin_api::registry::{Reference, Response};
use bulkhead_plugin_api::{Code, Error};
use serde::Deserialize;

use crate::challenge;

/// The error body of the distribution specification ("Error Codes").
#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The error for an answer to a request for the manifest of `reference`.
pub(crate) fn of<R: Response>(answer: &R, url: &str, reference: &Reference) -> Error {
    let status = answer.status();
    let entry = entry(answer);
    match (entry.code.as_str(), status) {
        ("TOOMANYREQUESTS", _) | (_, 429) => {
            Error::unavailable(cause("toomanyrequests", &entry, "Too Many Requests")).retryable()
        }
        (_, 500..) => Error::unavailable(format!(
            "received unexpected HTTP status: {status} from {url}"
        ))
        .retryable(),
        ("MANIFEST_UNKNOWN", _) => {
            let cause = cause("manifest unknown", &entry, "manifest unknown");
            Error::not_found(format!(
                "manifest for {} not found: {cause}",
                reference.familiar()
            ))
        }
        ("NAME_UNKNOWN", _) => {
            let cause = cause(
                "name unknown",
                &entry,
                "repository name not known to registry",
            );
            Error::not_found(format!(
                "repository {} not found: {cause}",
                reference.familiar_name()
            ))
        }
        ("UNAUTHORIZED", 401 | 403) | (_, 401) if !lacks_scope(answer) => no_access(
            Code::Unauthorized,
            reference,
            &cause("unauthorized", &entry, "authentication required"),
        ),
        // A registry does not tell strangers whether a private repository exists.
        ("DENIED" | "UNAUTHORIZED", _) | (_, 401 | 403) => no_access(
            Code::NotFound,
            reference,
            "denied: requested access to the resource is denied",
        ),
        (_, 404) => Error::not_found(format!(
            "manifest for {} not found: manifest unknown: manifest unknown",
            reference.familiar()
        )),
        _ => Error::new(
            Code::Unavailable,
            format!("unexpected status from GET request to {url}: {status}"),
        ),
    }
}

/// The error for an answer to a request that would change or list something.
pub(crate) fn of_push<R: Response>(answer: &R, url: &str) -> Error {
    let status = answer.status();
    let entry = entry(answer);
    let said = |code: &str, words: &str| match entry.code.as_str() {
        "" => cause(code, &entry, words),
        known => cause(&known.to_lowercase().replace('_', " "), &entry, words),
    };
    match (entry.code.as_str(), status) {
        ("TOOMANYREQUESTS", _) | (_, 429) => {
            Error::unavailable(cause("toomanyrequests", &entry, "Too Many Requests")).retryable()
        }
        (_, 500..) => Error::unavailable(format!(
            "received unexpected HTTP status: {status} from {url}"
        ))
        .retryable(),
        ("UNAUTHORIZED", _) | (_, 401) if !lacks_scope(answer) => {
            Error::unauthorized(said("unauthorized", "authentication required"))
        }
        ("DENIED" | "UNAUTHORIZED", _) | (_, 401 | 403) => {
            Error::denied("denied: requested access to the resource is denied")
        }
        (_, 404) => Error::not_found(said(
            "name unknown",
            "repository name not known to registry",
        )),
        ("", _) => Error::unavailable(format!("unexpected status from request to {url}: {status}")),
        _ => Error::invalid(said("", "")),
    }
}

fn no_access(code: Code, reference: &Reference, cause: &str) -> Error {
    let name = reference.familiar_name();
    let text = format!(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {cause}"
    );
    Error::new(code, text)
}

/// `manifest unknown: <the registry's words>`
fn cause(code: &str, entry: &Entry, default: &str) -> String {
    let words = if entry.message.is_empty() {
        default
    } else {
        &entry.message
    };
    format!("{code}: {words}")
}

fn entry<R: Response>(answer: &R) -> Entry {
    let body = serde_json::from_slice::<Body>(&answer.body()).ok();
    body.and_then(|body| body.errors.into_iter().next())
        .unwrap_or_else(|| Entry {
            code: String::new(),
            message: String::new(),
        })
}

/// RFC 6750, section 3.1: the token was fine but not for this repository.
fn lacks_scope<R: Response>(answer: &R) -> bool {
    let header = answer.header("www-authenticate").unwrap_or_default();
    challenge::parse(&header)
        .iter()
        .any(|challenge| challenge.param("error") == Some("insufficient_scope"))
}

#[cfg(test)]
mod tests {
    use bulkhead_plugin_api::testing::FakeResponse;

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        error_of(FakeResponse::new(status).with_body(body))
    }

    fn error_of(answer: FakeResponse) -> Error {
        let reference = Reference {
            domain: "docker.io".into(),
            path: "library/busybox".into(),
            tag: Some("nope".into()),
            digest: None,
        };
        of(
            &answer,
            "https://registry-1.docker.io/v2/library/busybox/manifests/nope",
            &reference,
        )
    }

    fn body(code: &str, message: &str) -> String {
        format!(r#"{{"errors":[{{"code":"{code}","message":"{message}","detail":{{"x":[1]}}}}]}}"#)
    }

    #[test]
    fn a_missing_manifest_reads_as_dockers() {
        let expected = Error::not_found(
            "manifest for busybox:nope not found: manifest unknown: manifest unknown",
        );
        assert_eq!(
            error(404, &body("MANIFEST_UNKNOWN", "manifest unknown")),
            expected
        );
        assert_eq!(error(404, "<html>"), expected);
    }

    #[test]
    fn a_missing_repository_is_named_without_its_tag() {
        let error = error(
            404,
            &body("NAME_UNKNOWN", "repository name not known to registry"),
        );
        assert_eq!(
            error,
            Error::not_found(
                "repository busybox not found: name unknown: repository name not known to registry"
            )
        );
    }

    #[test]
    fn a_refusal_reads_as_dockers() {
        let text = "pull access denied for busybox, repository does not exist or may require 'docker login': \
            denied: requested access to the resource is denied";
        assert_eq!(
            error(
                403,
                &body("DENIED", "requested access to the resource is denied")
            )
            .message,
            text
        );
        let scope = FakeResponse::new(401)
            .with_header(
                "WWW-Authenticate",
                r#"Bearer realm="https://a",error="insufficient_scope""#,
            )
            .with_body(body("UNAUTHORIZED", "authentication required"));
        assert_eq!(error_of(scope), Error::not_found(text));
    }

    #[test]
    fn refused_credentials_are_unauthorized() {
        let error = error(401, &body("UNAUTHORIZED", "authentication required"));
        assert_eq!(error.code, Code::Unauthorized);
        assert!(
            error
                .message
                .ends_with("unauthorized: authentication required"),
            "{error}"
        );
    }

    #[test]
    fn rate_limits_and_server_faults_may_be_retried() {
        let limited = error(
            429,
            &body("TOOMANYREQUESTS", "You have reached your pull rate limit."),
        );
        assert_eq!(
            limited.message,
            "toomanyrequests: You have reached your pull rate limit."
        );
        for error in [
            limited,
            error(429, ""),
            error(500, ""),
            error(503, &body("UNKNOWN", "x")),
        ] {
            assert_eq!((error.code, error.retryable), (Code::Unavailable, true));
        }
    }

    #[test]
    fn anything_else_shows_status_and_url() {
        let error = error(418, "");
        assert!(
            error.message.contains("418") && error.message.contains("/manifests/nope"),
            "{error}"
        );
    }
}
