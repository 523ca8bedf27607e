//! Too much, too often, from the wrong place.

use super::*;

#[test]
fn too_many_requests_are_waited_for_as_asked_but_not_for_ever() {
    let client = Client::new();
    let server = Server::start(|request, stream| match request.number {
        0 => reply(
            stream,
            "429 Too Many Requests",
            &[("Retry-After", "0")],
            b"",
        ),
        1 => reply(stream, "503 Service Unavailable", &[], b""),
        _ => reply(stream, "200 OK", &[], b"hello"),
    });
    client.download(&server, b"hello").unwrap();
    assert_eq!(server.requests().len(), 3);
    let never = Server::start(|_, stream| {
        let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
        reply(
            stream,
            "429 Too Many Requests",
            &[("Retry-After", "86400")],
            body,
        );
    });
    let start = Instant::now();
    let text = client.download(&never, b"other").unwrap_err().to_string();
    assert!(text.contains("toomanyrequests: pull rate limit"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(60));
    let mut session = client.session(&never.registry(), &["{registry}"], None);
    assert_eq!(get(&mut session, &never.url("/v2/")).unwrap().status, 429);
}

#[test]
fn a_content_encoding_changes_nothing_about_the_bytes() {
    let client = Client::new();
    let server = Server::start(|_, stream| {
        reply(
            stream,
            "200 OK",
            &[("Content-Encoding", "gzip")],
            b"\x1f\x8bhello",
        )
    });
    client.download(&server, b"\x1f\x8bhello").unwrap();
    assert_eq!(
        server.requests()[0].header("accept-encoding"),
        Some("identity")
    );
}

#[test]
fn answers_that_are_no_http_or_have_giant_headers_are_errors() {
    let client = Client::new();
    let noise = Server::start(|_, stream| {
        let _ = stream.write_all(&[0xa5; 4096]);
    });
    let giant = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let many = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-A: b\r\n").is_ok() {}
    });
    for server in [noise, giant, many] {
        let mut session = client.session(&server.registry(), &["{registry}"], None);
        let (code, message) = get(&mut session, &server.url("/v2/")).unwrap_err();
        assert_eq!(code, "unavailable", "{message}");
    }
}

#[test]
fn a_plugin_cannot_set_what_is_the_hosts() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], b"{}"));
    let mut session = client.session(&server.registry(), &["*"], None);
    for name in [
        "Authorization",
        "cookie",
        "Host",
        "Range",
        "Content-Length",
        "a b",
        "x\r\ny",
    ] {
        let headers = [(name.to_owned(), "x".to_owned())];
        assert_eq!(
            session
                .request("GET", &server.url("/"), &headers)
                .unwrap_err()
                .code,
            "invalid",
            "{name}"
        );
    }
    let split = [("accept".to_owned(), "x\r\nEvil: 1".to_owned())];
    assert!(session.request("GET", &server.url("/"), &split).is_err());
    assert!(session.request("POST", &server.url("/"), &[]).is_err());
    assert!(server.requests().is_empty());
    assert!(
        session
            .request("HEAD", &server.url("/"), &[("Accept".into(), "a/b".into())])
            .unwrap()
            .body
            .is_empty()
    );
    assert_eq!(server.requests()[0].header("accept"), Some("a/b"));
    assert_eq!(server.requests()[0].method, "HEAD");
}

#[test]
fn a_public_registry_cannot_lead_to_a_private_address() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], b"secret"));
    // A registry nobody can resolve counts as public.
    let mut session = client.session("registry.invalid", &["*"], None);
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ] {
        let (code, message) = get(&mut session, &format!("http://{host}:{port}/")).unwrap_err();
        assert!(code == "denied", "{host}: {code} {message}");
    }
    let (code, _) = get(&mut session, "https://169.254.169.254/latest/meta-data/").unwrap_err();
    assert_eq!(code, "denied");
    assert!(server.requests().is_empty());
}

#[test]
fn errors_of_the_network_read_like_dockers() {
    let client = Client::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut session = client.session(&free.to_string(), &["*"], None);
    let (code, message) = get(&mut session, &format!("http://{free}/v2/")).unwrap_err();
    assert_eq!(code, "unavailable");
    assert_eq!(
        message,
        format!("Get \"http://{free}/v2/\": dial tcp {free}: connect: connection refused")
    );
    // As Go's server answers what is not HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 16]);
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request\n");
    });
    let mut session = client.session(&plain.to_string(), &["*"], None);
    let (_, message) = get(&mut session, &format!("https://{plain}/v2/")).unwrap_err();
    assert!(
        message.contains("server gave HTTP response to HTTPS client"),
        "{message}"
    );
    let mut session = client.session("registry.invalid", &["*"], None);
    let (_, message) = get(&mut session, "https://registry.invalid/v2/").unwrap_err();
    assert!(message.contains("no such host"), "{message}");
}

#[test]
fn plain_http_is_for_loopback_and_what_the_administrator_named() {
    let mut client = Client::new();
    client.config.insecure_registries = vec!["reg.example:5000".into(), "10.0.0.0/8".into()];
    let session = client.session("reg.example:5000", &["*"], None);
    for yes in [
        "127.0.0.1:5000",
        "localhost",
        "[::1]:5000",
        "reg.example:5000",
        "10.1.2.3:80",
    ] {
        assert!(session.allows_http(yes), "{yes}");
    }
    for no in ["reg.example", "docker.io", "11.0.0.1", "127.0.0.1.evil.net"] {
        assert!(!session.allows_http(no), "{no}");
    }
}

#[test]
fn a_sink_that_gives_up_ends_the_download() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], &sample()));
    let (mut writer, reader) = stream::pair();
    drop(reader);
    let error = client
        .download_to(&server, &sample(), Some(&mut writer))
        .unwrap_err();
    assert!(matches!(error, FetchError::Sink { .. }), "{error}");
}

#[test]
fn files_of_a_layout_are_read_beneath_its_directory_only() {
    let client = Client::new();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("layout")).unwrap();
    std::fs::write(dir.path().join("secret"), "s").unwrap();
    std::fs::write(dir.path().join("layout/blob"), "hello").unwrap();
    std::os::unix::fs::symlink("../secret", dir.path().join("layout/link")).unwrap();
    std::fs::write(dir.path().join("layout/big"), vec![0; 5 << 20]).unwrap();
    let fetcher = Fetcher::new(client.config.clone(), client.runtime.handle().clone());
    let mut session = fetcher.session(SessionRequest {
        registry: "layout".into(),
        granted_hosts: Vec::new(),
        credentials: None,
        directory: Some(
            std::fs::File::open(dir.path().join("layout"))
                .unwrap()
                .into(),
        ),
    });
    assert_eq!(session.read_file("blob").unwrap(), b"hello");
    for bad in [
        "../secret",
        "/etc/passwd",
        "link",
        "",
        ".",
        "/proc/self/environ",
    ] {
        assert!(session.read_file(bad).is_err(), "{bad}");
    }
    assert_eq!(session.read_file("missing").unwrap_err().code, "not-found");
    assert_eq!(session.read_file("big").unwrap_err().code, "exhausted");
    let location = BlobLocation::File {
        path: "blob".into(),
    };
    session
        .download(
            &location,
            &blob(b"hello"),
            client.store.blobs(),
            &|_| (),
            None,
        )
        .unwrap();
    assert!(client.has(b"hello"));
    let wrong = session.download(
        &location,
        &blob(b"jello"),
        client.store.blobs(),
        &|_| (),
        None,
    );
    assert!(matches!(
        wrong,
        Err(FetchError::Store(StoreError::DigestMismatch { .. }))
    ));
}
