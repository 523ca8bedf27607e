//! Which server holds a repository, and by which scheme it is reached.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::registry::{Method, Response, Session};

/// Docker Hub's name in references, and the server behind it.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// What Go's HTTP server, which most registries run on, says to plain HTTP on
/// a TLS port.
const WANTS_TLS: &[u8] = b"Client sent an HTTP request to an HTTPS server";

/// host or host:port of the registry that `domain` stands for.
pub(crate) fn registry(domain: &str) -> &str {
    if domain == DOCKER_HUB.0 {
        DOCKER_HUB.1
    } else {
        domain
    }
}

/// The schemes to try in turn. TLS comes first unless nobody can listen in
/// between: a server configured as insecure may well have TLS.
fn schemes(registry: &str, allows_http: bool) -> &'static [&'static str] {
    match (allows_http, is_loopback(registry)) {
        (false, _) => &["https"],
        (true, false) => &["https", "http"],
        (true, true) => &["http", "https"],
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The registry's base URL. A registry that allows plain HTTP is asked by
/// which scheme it answers; others are not asked anything.
///
/// # Errors
/// The first scheme's failure when none answers.
pub(crate) fn base<S: Session>(session: &S, domain: &str) -> Result<String> {
    let registry = registry(domain);
    let schemes = schemes(registry, session.allows_http(registry));
    if let [only] = schemes {
        return Ok(format!("{only}://{registry}"));
    }
    let mut failure = None;
    for scheme in schemes {
        let base = format!("{scheme}://{registry}");
        match session.request(Method::Get, &format!("{base}/v2/"), &[]) {
            Ok(answer) if answer.status() == 400 && answer.body().starts_with(WANTS_TLS) => {}
            Ok(_) => return Ok(base),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| {
        bulkhead_plugin_api::Error::unavailable(format!("{registry}: no usable scheme"))
    }))
}

#[cfg(test)]
mod tests {
    use bulkhead_plugin_api::Error;
    use bulkhead_plugin_api::testing::{FakeRegistry, FakeResponse};

    use super::*;

    #[test]
    fn docker_io_is_served_by_registry_1() {
        assert_eq!(
            base(&FakeRegistry::new(), "docker.io").unwrap(),
            "https://registry-1.docker.io"
        );
    }

    #[test]
    fn a_registry_with_tls_is_not_asked_for_its_scheme() {
        let session = FakeRegistry::new();
        assert_eq!(base(&session, "ghcr.io").unwrap(), "https://ghcr.io");
        assert!(session.requests().is_empty());
    }

    #[test]
    fn loopback_is_tried_without_tls_first_and_others_with() {
        let local = FakeRegistry::new()
            .with_plain_http("127.0.0.1:5000")
            .answer("http://127.0.0.1:5000/v2/", FakeResponse::new(200));
        assert_eq!(
            base(&local, "127.0.0.1:5000").unwrap(),
            "http://127.0.0.1:5000"
        );
        assert_eq!(local.requests().len(), 1);

        let insecure = FakeRegistry::new()
            .with_plain_http("registry.lan")
            .fail(
                "https://registry.lan/v2/",
                Error::unavailable("connection refused"),
            )
            .answer("http://registry.lan/v2/", FakeResponse::new(401));
        assert_eq!(
            base(&insecure, "registry.lan").unwrap(),
            "http://registry.lan"
        );
    }

    #[test]
    fn a_tls_server_on_loopback_is_found_out() {
        let session = FakeRegistry::new()
            .with_plain_http("localhost:5000")
            .answer(
                "http://localhost:5000/v2/",
                FakeResponse::new(400)
                    .with_body("Client sent an HTTP request to an HTTPS server.\n"),
            )
            .answer("https://localhost:5000/v2/", FakeResponse::new(200));
        assert_eq!(
            base(&session, "localhost:5000").unwrap(),
            "https://localhost:5000"
        );
    }

    #[test]
    fn when_nothing_answers_the_first_failure_is_told() {
        let session = FakeRegistry::new()
            .with_plain_http("[::1]:5000")
            .fail(
                "http://[::1]:5000/v2/",
                Error::unavailable("connection refused"),
            )
            .fail("https://[::1]:5000/v2/", Error::unavailable("no TLS"));
        assert_eq!(
            base(&session, "[::1]:5000").unwrap_err().message,
            "connection refused"
        );
    }
}
