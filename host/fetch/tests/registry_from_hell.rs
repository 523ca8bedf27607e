//! What registries do to those who pull from them.

#[path = "hell/scripted.rs"]
mod scripted;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bulkhead_fetch::{Credentials, FetchConfig, FetchError, Fetcher, Session, SessionRequest};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::registry::{BlobDescriptor, BlobLocation, RegistrySession};
use bulkhead_store::{Store, StoreError, manifest::digest_of, stream};
use scripted::{Server, head, reply};

struct Client {
    runtime: tokio::runtime::Runtime,
    store: Store,
    _dir: tempfile::TempDir,
    config: FetchConfig,
}

impl Client {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = FetchConfig {
            connect_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_millis(300),
            attempts: 3,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(100),
            ..FetchConfig::default()
        };
        Self {
            runtime,
            store: Store::open(&dir.path().join("data")).unwrap(),
            _dir: dir,
            config,
        }
    }

    fn session(&self, registry: &str, hosts: &[&str], credentials: Option<Credentials>) -> Session {
        let fetcher = Fetcher::new(self.config.clone(), self.runtime.handle().clone());
        fetcher.session(SessionRequest {
            registry: registry.to_owned(),
            granted_hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            credentials,
            directory: None,
        })
    }

    fn download(&self, server: &Server, bytes: &[u8]) -> Result<(), FetchError> {
        self.download_to(server, bytes, None)
    }

    fn download_to(
        &self,
        server: &Server,
        bytes: &[u8],
        sink: Option<&mut dyn Write>,
    ) -> Result<(), FetchError> {
        let session = self.session(&server.registry(), &["{registry}"], None);
        session.download(
            &at(server.url("/blob")),
            &blob(bytes),
            self.store.blobs(),
            &|_| (),
            sink,
        )
    }

    fn has(&self, bytes: &[u8]) -> bool {
        self.store.blobs().has(&digest_of(bytes)).unwrap()
    }
}

fn at(url: String) -> BlobLocation {
    BlobLocation::Url {
        url,
        headers: Vec::new(),
    }
}

fn blob(bytes: &[u8]) -> BlobDescriptor {
    BlobDescriptor {
        digest: digest_of(bytes),
        size: bytes.len() as u64,
        media_type: String::new(),
    }
}

fn sample() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn user() -> Option<Credentials> {
    Some(Credentials::Basic {
        username: "user".into(),
        password: "secret".into(),
    })
}

fn get(
    session: &mut Session,
    url: &str,
) -> Result<bulkhead_model::registry::Response, (String, String)> {
    session
        .request("GET", url, &[])
        .map_err(|e| (e.code.to_owned(), e.message))
}

#[test]
fn a_sound_blob_arrives_in_the_store_and_at_the_sink() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], &sample()));
    let progress = Mutex::new(Vec::new());
    let (mut writer, mut reader) = stream::pair();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let session = client.session(&server.registry(), &["{registry}"], None);
    let report = |n| progress.lock().unwrap().push(n);
    session
        .download(
            &at(server.url("/b")),
            &blob(&sample()),
            client.store.blobs(),
            &report,
            Some(&mut writer),
        )
        .unwrap();
    writer.finish();
    assert_eq!(reading.join().unwrap().unwrap(), sample());
    assert!(client.has(&sample()));
    assert_eq!(progress.lock().unwrap().last(), Some(&800_000));
    assert_eq!(
        server.requests()[0].header("user-agent"),
        Some(concat!("bulkhead/", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn wrong_bytes_are_refused_naming_both_digests() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], b"jello"));
    let text = client.download(&server, b"hello").unwrap_err().to_string();
    assert!(
        text.contains(digest_of(b"hello").as_str()) && text.contains(digest_of(b"jello").as_str()),
        "{text}"
    );
    assert!(!client.has(b"hello"));
    assert_eq!(
        server.requests().len(),
        1,
        "a lie is not worth a second try"
    );
}

#[test]
fn a_body_that_breaks_off_is_taken_up_where_it_ended_and_the_sink_sees_it_once() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        let bytes = sample();
        match request.header("range") {
            None => {
                head(stream, "200 OK", &[], bytes.len());
                let _ = stream.write_all(&bytes[..300_000]);
            }
            Some(range) => {
                let start: usize = range["bytes=".len()..]
                    .trim_end_matches('-')
                    .parse()
                    .unwrap();
                let of = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                reply(
                    stream,
                    "206 Partial Content",
                    &[("Content-Range", &of)],
                    &bytes[start..],
                );
            }
        }
    });
    let mut seen = Vec::new();
    client
        .download_to(&server, &sample(), Some(&mut seen))
        .unwrap();
    assert_eq!(seen, sample());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_starts_over_instead_of_resuming_is_put_up_with() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        head(stream, "200 OK", &[], sample().len());
        let end = if request.number == 0 {
            100_000
        } else {
            sample().len()
        };
        let _ = stream.write_all(&sample()[..end]);
    });
    let mut seen = Vec::new();
    client
        .download_to(&server, &sample(), Some(&mut seen))
        .unwrap();
    assert_eq!(seen, sample());
}

#[test]
fn a_part_from_another_place_is_refused() {
    let client = Client::new();
    let server = Server::start(|request, stream| match request.number {
        0 => {
            head(stream, "200 OK", &[], sample().len());
            let _ = stream.write_all(&sample()[..100_000]);
        }
        _ => reply(
            stream,
            "206 Partial Content",
            &[("Content-Range", "bytes 700000-799999/800000")],
            &sample()[700_000..],
        ),
    });
    let text = client.download(&server, &sample()).unwrap_err().to_string();
    assert!(text.contains("another range"), "{text}");
}

#[test]
fn a_body_that_always_breaks_off_at_once_is_given_up() {
    let client = Client::new();
    let server = Server::start(|_, stream| head(stream, "200 OK", &[], 5));
    let error = client.download(&server, b"hello").unwrap_err();
    assert!(error.to_string().contains("unexpected EOF"), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_body_that_is_short_by_its_own_word_is_no_blob() {
    let client = Client::new();
    let server = Server::start(|_, stream| reply(stream, "200 OK", &[], b"hel"));
    assert!(client.download(&server, b"hello").is_err());
    assert!(!client.has(b"hello"));
}

#[test]
fn a_stalled_body_is_given_up_in_time() {
    let client = Client::new();
    let server = Server::start(|_, stream| {
        head(stream, "200 OK", &[], 5);
        let _ = stream.write_all(b"he");
        std::thread::sleep(Duration::from_secs(20));
    });
    let start = Instant::now();
    let error = client.download(&server, b"hello").unwrap_err();
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let mut client = Client::new();
    client.config.connect_timeout = Duration::from_millis(300);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = listener.local_addr().unwrap().to_string();
    let mut session = client.session(&registry, &["*"], None);
    let (code, message) = get(&mut session, &format!("http://{registry}/v2/")).unwrap_err();
    assert_eq!(code, "timeout", "{message}");
}

#[test]
fn an_endless_body_is_cut_off_at_its_size() {
    let client = Client::new();
    let server = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[0; 65536]).is_ok() {}
    });
    let error = client.download(&server, &[0; 100_000]).unwrap_err();
    assert!(
        matches!(error, FetchError::Store(StoreError::TooLong { .. })),
        "{error}"
    );
    let mut session = client.session(&server.registry(), &["{registry}"], None);
    let (code, _) = get(&mut session, &server.url("/v2/")).unwrap_err();
    assert_eq!(code, "exhausted");
}

#[test]
fn a_length_beyond_the_descriptor_is_refused_before_a_byte_is_read() {
    let client = Client::new();
    let server = Server::start(|_, stream| head(stream, "200 OK", &[], 1 << 40));
    let error = client.download(&server, b"hello").unwrap_err();
    assert!(
        matches!(error, FetchError::Store(StoreError::TooLong { .. })),
        "{error}"
    );
}

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
    assert!(start.elapsed() < Duration::from_secs(5));
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
