//! Credentials and tokens stay where they belong.

use super::*;

/// A registry that wants basic authentication and serves blobs elsewhere.
#[test]
fn credentials_stay_with_the_registry_across_redirects() {
    let client = Client::new();
    let other = Server::start(|_, stream| reply(stream, "200 OK", &[], b"hello"));
    let blob_url = other.url("/cdn");
    let server = Server::start(move |request, stream| match request.path.as_str() {
        "/blob" => reply(
            stream,
            "307 Temporary Redirect",
            &[("Location", &blob_url)],
            b"",
        ),
        _ => reply(
            stream,
            "200 OK",
            &[("Set-Cookie", "a=b"), ("Docker-Content-Digest", "x")],
            b"{}",
        ),
    });
    let mut session = client.session(&server.registry(), &["*"], user());
    session
        .authenticate(&server.registry(), "basic", &[])
        .unwrap();
    let response = get(&mut session, &server.url("/v2/")).unwrap();
    assert!(
        response
            .headers
            .iter()
            .all(|(name, _)| name != "set-cookie")
    );
    assert!(
        response
            .headers
            .iter()
            .any(|(name, value)| name == "docker-content-digest" && value == "x")
    );
    session
        .download(
            &at(server.url("/blob")),
            &blob(b"hello"),
            client.store.blobs(),
            &|_| (),
            None,
        )
        .unwrap();
    assert!(
        server
            .requests()
            .iter()
            .all(|r| r.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ="))
    );
    assert_eq!(other.requests()[0].header("authorization"), None);
    get(&mut session, &other.url("/direct")).unwrap();
    assert_eq!(other.requests()[1].header("authorization"), None);
    let stranger = session.authenticate(&other.registry(), "basic", &[]);
    assert_eq!(stranger.unwrap_err().code, "invalid");
}

fn token_server(life: u64) -> Server {
    Server::start(move |request, stream| {
        let body = format!(r#"{{"token":"t{}","expires_in":{life}}}"#, request.number);
        reply(stream, "200 OK", &[], body.as_bytes());
    })
}

fn params(realm: &str) -> Vec<(String, String)> {
    [
        ("realm", realm),
        ("service", "reg"),
        ("scope", "repository:x:pull"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

fn challenge(realm: &str) -> String {
    format!(r#"Bearer realm="{realm}",service="reg",scope="repository:x:pull""#)
}

#[test]
fn a_token_is_fetched_with_the_credentials_cached_and_renewed_when_it_is_refused() {
    let client = Client::new();
    let tokens = token_server(300);
    let realm = tokens.url("/token");
    let named = realm.clone();
    let server = Server::start(move |request, stream| {
        let good = match request.path.as_str() {
            "/blob" => request.header("authorization") == Some("Bearer t1"),
            _ => request.header("authorization").is_some(),
        };
        match good {
            true => reply(stream, "200 OK", &[], b"hello"),
            false => reply(
                stream,
                "401 Unauthorized",
                &[("WWW-Authenticate", &challenge(&named))],
                b"",
            ),
        }
    });
    let mut session = client.session(&server.registry(), &["*"], user());
    let refused = get(&mut session, &server.url("/v2/")).unwrap();
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .headers
            .iter()
            .any(|(name, _)| name == "www-authenticate")
    );
    session
        .authenticate(&server.registry(), "bearer", &params(&realm))
        .unwrap();
    assert_eq!(get(&mut session, &server.url("/v2/")).unwrap().status, 200);
    let asked = &tokens.requests()[0];
    assert_eq!(
        asked.header("authorization"),
        Some("Basic dXNlcjpzZWNyZXQ=")
    );
    assert!(
        asked
            .path
            .contains("service=reg&scope=repository%3Ax%3Apull"),
        "{}",
        asked.path
    );
    // The first token is refused for the blob; a new one is fetched unasked.
    session
        .download(
            &at(server.url("/blob")),
            &blob(b"hello"),
            client.store.blobs(),
            &|_| (),
            None,
        )
        .unwrap();
    assert_eq!(tokens.requests().len(), 2);
}

#[test]
fn a_plugin_cannot_send_credentials_to_a_realm_the_registry_did_not_name() {
    let client = Client::new();
    let evil = token_server(300);
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], b"{}"));
    let mut session = client.session(&server.registry(), &["*"], user());
    get(&mut session, &server.url("/v2/")).unwrap();
    let error = session
        .authenticate(&server.registry(), "bearer", &params(&evil.url("/")))
        .unwrap_err();
    assert!(error.message.contains("did not name this realm"), "{error}");
    // Nor does a challenge of another server count.
    let realm = evil.url("/");
    let accomplice = Server::start(move |_, stream| {
        reply(
            stream,
            "401 Unauthorized",
            &[("WWW-Authenticate", &challenge(&realm))],
            b"",
        );
    });
    get(&mut session, &accomplice.url("/")).unwrap();
    assert!(
        session
            .authenticate(&server.registry(), "bearer", &params(&evil.url("/")))
            .is_err()
    );
    assert!(evil.requests().is_empty());
}

#[test]
fn a_registry_that_is_never_content_is_given_up() {
    let client = Client::new();
    let tokens = token_server(0);
    let realm = tokens.url("/token");
    let named = realm.clone();
    let server = Server::start(move |_, stream| {
        reply(
            stream,
            "401 Unauthorized",
            &[("WWW-Authenticate", &challenge(&named))],
            b"",
        );
    });
    let mut session = client.session(&server.registry(), &["*"], None);
    let mut rounds = 0;
    let error = loop {
        assert_eq!(get(&mut session, &server.url("/v2/")).unwrap().status, 401);
        if let Err(error) = session.authenticate(&server.registry(), "bearer", &params(&realm)) {
            break error;
        }
        rounds += 1;
    };
    assert_eq!((error.code, rounds), ("unauthorized", 16), "{error}");
    let blob = session.download(
        &at(server.url("/b")),
        &blob(b"x"),
        client.store.blobs(),
        &|_| (),
        None,
    );
    assert_eq!(blob.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[test]
fn token_servers_that_refuse_or_talk_nonsense_are_named() {
    for (status, body, part) in [
        ("401 Unauthorized", "", "incorrect username or password"),
        ("200 OK", "<html>", "not a token"),
        ("200 OK", "{}", "did not include a token"),
        (
            "200 OK",
            r#"{"token":"a\r\nX-Evil: 1"}"#,
            "characters no header may",
        ),
        ("500 Oops", "", "500"),
        ("302 Found", "", "302"),
    ] {
        let client = Client::new();
        let tokens = Server::start(move |_, stream| {
            reply(
                stream,
                status,
                &[("Location", "http://127.0.0.1:1/")],
                body.as_bytes(),
            );
        });
        let realm = tokens.url("/token");
        let server = Server::start(move |_, stream| {
            reply(
                stream,
                "401 Unauthorized",
                &[("WWW-Authenticate", &challenge(&realm))],
                b"",
            );
        });
        let mut session = client.session(&server.registry(), &["*"], user());
        get(&mut session, &server.url("/v2/")).unwrap();
        let error =
            session.authenticate(&server.registry(), "bearer", &params(&tokens.url("/token")));
        let text = error.unwrap_err().message;
        assert!(text.contains(part) && !text.contains("secret"), "{text}");
    }
}
