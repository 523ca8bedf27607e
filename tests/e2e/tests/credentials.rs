//! Registries that want to know who asks.

use bulkhead_test_support::scripted::{Content, Request, reply};
use bulkhead_test_support::{Daemon, Registry, ScriptedRegistry, images};

#[test]
fn a_password_is_given_to_its_registry_and_a_wrong_one_is_refused() {
    let (daemon, registry) = (Daemon::start(), Registry::with_password());
    let reference = registry.push("private:1", &images::busybox());
    let anonymous = daemon.bulkhead(&["pull", &reference]).failure(1);
    assert!(
        anonymous.contains("no basic auth credentials"),
        "{anonymous}"
    );
    daemon.log_in(registry.address(), "tester", "wrong");
    let refused = daemon.bulkhead(&["pull", &reference]).failure(1);
    assert!(
        refused.contains("unauthorized: authentication required"),
        "{refused}"
    );
    assert!(
        !refused.contains("wrong"),
        "the password is shown: {refused}"
    );
    assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
    daemon.log_in(registry.address(), "tester", "secret");
    let run = ["run", "--rm", &reference, "echo", "hi"];
    assert_eq!(daemon.bulkhead(&run).success(), "hi\n");
    assert_eq!(daemon.docker(&["pull", "-q", &reference]).status, Some(0));
}

/// The token dance (distribution spec, "token authentication") with the
/// registry as its own token server. Only `known:pass` gets a token.
fn with_tokens() -> ScriptedRegistry {
    ScriptedRegistry::start(Content::of(&images::busybox()), |request, stream| {
        if request.target.starts_with("/token") {
            match request.header("authorization") {
                Some("Basic a25vd246cGFzcw==") => {
                    reply(stream, "200 OK", &[], br#"{"token":"letmein"}"#);
                }
                _ => reply(
                    stream,
                    "401 Unauthorized",
                    &[],
                    br#"{"details":"incorrect username or password"}"#,
                ),
            }
            return true;
        }
        let welcome = request.header("authorization") == Some("Bearer letmein");
        if !welcome {
            challenge(request, stream);
        }
        !welcome
    })
}

fn challenge(request: &Request, stream: &mut std::net::TcpStream) {
    let host = request.header("host").unwrap_or_default();
    let wants = format!(
        "Bearer realm=\"http://{host}/token\",service=\"tests\",scope=\"repository:private:pull\""
    );
    let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let headers = [("WWW-Authenticate", wants.as_str())];
    reply(stream, "401 Unauthorized", &headers, body);
}

#[test]
fn a_token_is_asked_for_with_the_password_and_a_refusal_is_said() {
    let (daemon, registry) = (Daemon::start(), with_tokens());
    let reference = registry.reference("private");
    daemon.log_in(registry.address(), "known", "guess");
    let refused = daemon.bulkhead(&["pull", &reference]).failure(1);
    assert!(
        refused.contains("unauthorized: incorrect username or password"),
        "{refused}"
    );
    assert!(
        !refused.contains("guess"),
        "the password is shown: {refused}"
    );
    daemon.log_in(registry.address(), "known", "pass");
    daemon.bulkhead(&["pull", &reference]).success();
    let asked = registry.requests();
    let password = asked.iter().filter(|request| {
        request
            .header("authorization")
            .is_some_and(|a| a.starts_with("Basic"))
    });
    assert!(
        password.clone().count() > 0
            && password
                .clone()
                .all(|request| request.target.starts_with("/token")),
        "the password went elsewhere than to the token server"
    );
}

#[test]
fn credentials_of_one_registry_are_not_given_to_another() {
    let daemon = Daemon::start();
    let other = ScriptedRegistry::start(Content::of(&images::busybox()), |_, _| false);
    daemon.log_in("127.0.0.1:1", "tester", "secret");
    daemon
        .bulkhead(&["pull", &other.reference("any")])
        .success();
    let asked = other.requests();
    assert!(!asked.is_empty() && asked.iter().all(|r| r.header("authorization").is_none()));
}
