//! Redirects that go round or astray.

use super::*;

#[test]
fn redirects_in_a_circle_and_without_end_are_given_up() {
    let client = Client::new();
    let circle = Server::start(|request, stream| {
        let next = if request.path == "/a" { "/b" } else { "/a" };
        reply(stream, "307 Temporary Redirect", &[("Location", next)], b"");
    });
    let mut session = client.session(&circle.registry(), &["{registry}"], None);
    let (_, message) = get(&mut session, &circle.url("/a")).unwrap_err();
    assert!(message.contains("redirect loop"), "{message}");
    let endless = Server::start(|request, stream| {
        reply(
            stream,
            "302 Found",
            &[("Location", &format!("/{}", request.number))],
            b"",
        );
    });
    let mut session = client.session(&endless.registry(), &["{registry}"], None);
    let (_, message) = get(&mut session, &endless.url("/start")).unwrap_err();
    assert!(message.contains("stopped after 10 redirects"), "{message}");
    assert_eq!(endless.requests().len(), 11);
}

#[test]
fn redirects_lead_only_where_the_grant_reaches_and_http_may() {
    let client = Client::new();
    let target = Server::start(|_, stream| reply(stream, "200 OK", &[], b"x"));
    let elsewhere = target.url("/stolen");
    let server = Server::start(move |request, stream| {
        let to = match request.path.as_str() {
            "/elsewhere" => elsewhere.as_str(),
            "/plain" => "http://registry.example/x",
            "/file" => "file:///etc/passwd",
            _ => "https://user:pw@registry.example/x",
        };
        reply(stream, "301 Moved", &[("Location", to)], b"");
    });
    let mut narrow = client.session(&server.registry(), &["{registry}"], None);
    let (code, message) = get(&mut narrow, &server.url("/elsewhere")).unwrap_err();
    assert!(
        code == "denied" && message.contains("grant does not cover"),
        "{message}"
    );
    assert!(target.requests().is_empty());
    let mut wide = client.session(&server.registry(), &["*"], None);
    assert_eq!(
        get(&mut wide, &server.url("/elsewhere")).unwrap().status,
        200
    );
    for (path, part) in [
        ("/plain", "plain HTTP"),
        ("/file", "only http"),
        ("/user", "credentials"),
    ] {
        let (_, message) = get(&mut wide, &server.url(path)).unwrap_err();
        assert!(
            message.contains(part) && !message.contains("pw"),
            "{path}: {message}"
        );
    }
}
