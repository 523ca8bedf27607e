//! Registries that want to know who asks.

use bulkhead_test_support::scripted::{Content, Request, reply};
use bulkhead_test_support::{Daemon, Registry, ScriptedRegistry, images};
use serde_json::{Value, json};

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

/// A token server of the kind that gives a refresh token for a password, and
/// takes that one alone afterwards (distribution, "OAuth2 Token Authentication").
fn with_identity_tokens() -> ScriptedRegistry {
    ScriptedRegistry::start(Content::of(&images::busybox()), |request, stream| {
        let asked = request.target.strip_prefix("/token");
        let offline = asked.is_some_and(|query| query.contains("offline_token=true"));
        let password = request.header("authorization") == Some("Basic a25vd246cGFzcw==");
        let fields: Vec<&str> = request.form.split('&').collect();
        let refresh = ["grant_type=refresh_token", "refresh_token=keep-me"];
        let refresh = refresh.iter().all(|field| fields.contains(field));
        let unauthorized = "401 Unauthorized";
        match (asked, request.method.as_str()) {
            (Some(_), "GET") if password && offline => {
                let body = br#"{"token":"letmein","refresh_token":"keep-me"}"#;
                reply(stream, "200 OK", &[], body);
            }
            (Some(_), "POST") if refresh => {
                reply(stream, "200 OK", &[], br#"{"access_token":"letmein"}"#);
            }
            (Some(_), "POST") => {
                let body =
                    br#"{"error":"invalid_grant","error_description":"token\u001b is revoked"}"#;
                reply(stream, "400 Bad Request", &[], body);
            }
            (Some(_), _) => reply(stream, unauthorized, &[], b"{}"),
            _ if request.header("authorization") == Some("Bearer letmein") => return false,
            _ => challenge(request, stream),
        }
        true
    })
}

#[test]
fn a_login_keeps_a_token_instead_of_the_password_and_pulls_with_it() {
    let (daemon, registry) = (Daemon::start(), with_identity_tokens());
    let address = registry.address();
    let config = daemon.folder().join("config/config.json");
    let entry = || {
        let config: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
        config["auths"][address].clone()
    };
    let login = ["login", "-u", "known", "-p", "pass", address];
    // What either client keeps, the other pulls with.
    daemon.bulkhead(&login).success();
    let kept = json!({"auth": "a25vd246", "identitytoken": "keep-me"});
    assert_eq!(entry(), kept);
    let reference = registry.reference("private");
    daemon.docker(&["pull", &reference]).success();
    daemon.bulkhead(&["logout", address]).success();
    daemon.docker(&login).success();
    assert_eq!(entry(), kept);
    daemon.bulkhead(&["pull", &reference]).success();
    // A login with what is kept keeps it.
    daemon.bulkhead(&["login", address]).success();
    assert_eq!(entry(), kept);
    let posts = registry.requests();
    let mut posts = posts.iter().filter(|request| request.method == "POST");
    assert!(
        posts.all(|request| request.target == "/token"),
        "a token went elsewhere"
    );

    let revoked = json!({"auths": {address: {"auth": "a25vd246", "identitytoken": "old"}}});
    std::fs::write(&config, revoked.to_string()).unwrap();
    let refused = daemon.bulkhead(&["pull", &reference]).failure(1);
    assert!(
        refused.contains("unauthorized: invalid_grant: token is revoked"),
        "{refused}"
    );
    // A token for the registry itself asks nobody.
    let own = json!({"auths": {address: {"auth": "Og==", "registrytoken": "letmein"}}});
    std::fs::write(&config, own.to_string()).unwrap();
    daemon.bulkhead(&["pull", &reference]).success();
}
