//! Pushing to a registry that does not want to.

use std::net::TcpStream;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::scripted::{Request, body};
use super::*;

/// More than is sent in one request.
fn large() -> Vec<u8> {
    (0..2_600_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn push(client: &Client, session: &Session, url: &str, bytes: &[u8]) -> Result<(), FetchError> {
    let file = tempfile::tempfile_in(client._dir.path()).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    session.upload(
        url,
        &[],
        &blob(bytes),
        &file,
        &|_| ControlFlow::Continue(()),
    )
}

fn push_to(client: &Client, server: &Server, bytes: &[u8]) -> Result<(), FetchError> {
    let session = client.session(&server.registry(), &["{registry}"], None);
    push(client, &session, &server.url("/upload/0"), bytes)
}

/// A registry that keeps what it is sent.
#[derive(Default)]
struct Kept {
    bytes: Mutex<Vec<u8>>,
}

impl Kept {
    fn len(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    /// As the distribution-spec has it.
    fn serve(&self, request: &Request, stream: &mut TcpStream) {
        let sent = body(request, stream);
        let mut bytes = self.bytes.lock().unwrap();
        bytes.extend(sent);
        let range = format!("0-{}", bytes.len().saturating_sub(1));
        let next = format!("/upload/{}", request.number + 1);
        match request.method.as_str() {
            "PUT" => reply(stream, "201 Created", &[], b""),
            "GET" => reply(
                stream,
                "204 No Content",
                &[("Range", &range), ("Location", &next)],
                b"",
            ),
            _ => reply(
                stream,
                "202 Accepted",
                &[("Range", &range), ("Location", &next)],
                b"",
            ),
        }
    }
}

/// Serves as `Kept` but where `but` has answered.
fn server_but(
    kept: &Arc<Kept>,
    but: impl Fn(&Request, &mut TcpStream, &Kept) -> bool + Send + Sync + 'static,
) -> Server {
    let kept = Arc::clone(kept);
    Server::start(move |request, stream| {
        if !but(request, stream, &kept) {
            kept.serve(request, stream);
        }
    })
}

#[test]
fn a_small_blob_is_one_request_and_a_large_one_goes_in_chunks() {
    let mut client = Client::new();
    client.config.upload_chunk = 4 << 20;
    let kept = Arc::new(Kept::default());
    let server = server_but(&kept, |_, _, _| false);
    push_to(&client, &server, &sample()).unwrap();
    assert_eq!(*kept.bytes.lock().unwrap(), sample());
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].method.as_str()), (1, "PUT"));
    assert!(requests[0].path.contains("?digest=sha256%3A"));

    let kept = Arc::new(Kept::default());
    let server = server_but(&kept, |_, _, _| false);
    push_to(&client, &server, &large()).unwrap();
    assert_eq!(*kept.bytes.lock().unwrap(), large());
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(|r| r.method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "PATCH", "PATCH", "PUT"]);
    assert_eq!(
        requests[1].path, "/upload/1",
        "each answer moves the session"
    );
    let range = requests[1].header("content-range");
    assert_eq!(range, Some("4194304-8388607"));
}

#[test]
fn a_broken_connection_is_taken_up_where_the_registry_is() {
    let client = Client::new();
    let kept = Arc::new(Kept::default());
    let server = server_but(&kept, |request, stream, kept| {
        if request.number > 0 {
            return false;
        }
        let mut part = vec![0; 3 << 20];
        stream.read_exact(&mut part).unwrap();
        kept.bytes.lock().unwrap().extend(part);
        true
    });
    push_to(&client, &server, &large()).unwrap();
    assert_eq!(*kept.bytes.lock().unwrap(), large());
    let methods: Vec<_> = server.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH", "PUT"]);
}

#[test]
fn an_overloaded_registry_is_given_the_time_it_asks_for() {
    let mut client = Client::new();
    client.config.longest_pause = Duration::from_secs(30);
    let kept = Arc::new(Kept::default());
    let server = server_but(&kept, |request, stream, _| {
        match request.number {
            0 => {
                body(request, stream);
                reply(
                    stream,
                    "429 Too Many Requests",
                    &[("Retry-After", "1")],
                    b"",
                );
            }
            2 => {
                body(request, stream);
                reply(stream, "503 Service Unavailable", &[], b"");
            }
            _ => return false,
        }
        true
    });
    let started = Instant::now();
    push_to(&client, &server, &large()).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(*kept.bytes.lock().unwrap(), large());
}

#[test]
fn a_registry_that_fails_every_time_is_given_up() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        if request.method == "GET" {
            return reply(stream, "204 No Content", &[("Range", "0-0")], b"");
        }
        body(request, stream);
        reply(stream, "500 Internal Server Error", &[], b"");
    });
    let error = push_to(&client, &server, &sample()).unwrap_err();
    assert!(
        matches!(&error, FetchError::Refused(r) if r.status == 500),
        "{error}"
    );
    let puts = server
        .requests()
        .iter()
        .filter(|r| r.method == "PUT")
        .count();
    assert_eq!(puts, 3);
}

#[test]
fn a_session_that_is_lost_or_confused_is_told_apart_from_a_bad_line() {
    let client = Client::new();
    // No Location after a chunk; a session nobody knows; more bytes than were sent.
    let answers: [(&str, &[(&str, &str)]); 3] = [
        ("202 Accepted", &[("Range", "0-10399999")]),
        ("404 Not Found", &[]),
        (
            "202 Accepted",
            &[("Range", "0-999999999"), ("Location", "/upload/1")],
        ),
    ];
    for (status, headers) in answers {
        let server = Server::start(move |request, stream| {
            body(request, stream);
            reply(stream, status, headers, b"");
        });
        let error = push_to(&client, &server, &large()).unwrap_err();
        assert!(
            matches!(error, FetchError::UploadLost { .. }),
            "{status}: {error}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_registry_that_stored_something_else_is_not_believed() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        body(request, stream);
        let other = format!("sha256:{}", "0".repeat(64));
        reply(
            stream,
            "201 Created",
            &[("Docker-Content-Digest", &other)],
            b"",
        );
    });
    let error = push_to(&client, &server, &sample()).unwrap_err();
    assert!(matches!(error, FetchError::OtherDigest { .. }), "{error}");
}

#[test]
fn a_registry_that_takes_nothing_or_says_nothing_is_given_up_in_time() {
    let mut client = Client::impatient();
    client.config.attempts = 1;
    client.config.connect_timeout = Duration::from_millis(300);
    for takes in [true, false] {
        let server = Server::start(move |request, stream| {
            if takes {
                body(request, stream);
            }
            std::thread::sleep(Duration::from_secs(300));
        });
        let started = Instant::now();
        let error = push_to(&client, &server, &large()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn credentials_stay_with_the_registry_when_an_upload_leads_elsewhere() {
    let client = Client::new();
    let kept = Arc::new(Kept::default());
    let storage = server_but(&kept, |_, _, _| false);
    let elsewhere = storage.url("/upload/0");
    let registry = Server::start(move |request, stream| match request.path.as_str() {
        "/v2/" if request.header("authorization").is_some() => reply(stream, "200 OK", &[], b""),
        "/v2/" => reply(
            stream,
            "401 Unauthorized",
            &[("WWW-Authenticate", "Basic realm=\"r\"")],
            b"",
        ),
        // Answered before the body was read: it goes to the other one.
        _ => reply(
            stream,
            "307 Temporary Redirect",
            &[("Location", &elsewhere)],
            b"",
        ),
    });
    let mut session = client.session(&registry.registry(), &["*"], user());
    get(&mut session, &registry.url("/v2/")).unwrap();
    session
        .authenticate(&registry.registry(), "basic", &[])
        .unwrap();
    push(&client, &session, &registry.url("/upload/0"), &sample()).unwrap();
    assert_eq!(*kept.bytes.lock().unwrap(), sample());
    let asked = registry.requests();
    assert!(asked.last().unwrap().header("authorization").is_some());
    // The session itself may be elsewhere, too.
    push(&client, &session, &storage.url("/upload/0"), &sample()).unwrap();
    for request in storage.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
    assert_eq!(kept.len(), 2 * sample().len());
}

#[test]
fn a_redirect_that_would_make_a_question_of_a_push_is_an_answer() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        body(request, stream);
        reply(stream, "302 Found", &[("Location", "/upload/9")], b"");
    });
    push_to(&client, &server, &sample()).unwrap_err();
    assert!(server.requests().iter().all(|r| r.method == "PUT"));
}

#[test]
fn uploads_lead_only_where_the_grant_reaches() {
    let client = Client::new();
    let target = Server::start(|_, stream| reply(stream, "201 Created", &[], b""));
    let server = Server::start(|_, stream| reply(stream, "201 Created", &[], b""));
    let session = client.session(&server.registry(), &["{registry}"], None);
    let error = push(&client, &session, &target.url("/upload/0"), &sample()).unwrap_err();
    assert!(matches!(error, FetchError::NotGranted { .. }), "{error}");
    assert!(target.requests().is_empty());
}

#[test]
fn documents_are_sent_with_their_body_and_not_by_other_methods() {
    let client = Client::new();
    let server = Server::start(|request, stream| {
        let body = body(request, stream);
        reply(stream, "201 Created", &[], &body);
    });
    let mut session = client.session(&server.registry(), &["{registry}"], None);
    let answer = session.send("PUT", &server.url("/m"), &[], b"{}").unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"{}"[..]));
    for method in ["GET", "TRACE", "CONNECT", "put"] {
        let refused = session
            .send(method, &server.url("/m"), &[], b"")
            .unwrap_err();
        assert_eq!(refused.code, "invalid", "{method}");
    }
    let refused = session.send("PUT", &server.url("/m"), &[], &vec![0; 5 << 20]);
    assert_eq!(refused.unwrap_err().code, "exhausted");
}

#[test]
fn an_upload_that_nobody_wants_any_more_ends_at_once_and_is_not_begun_again() {
    let client = Client::new();
    let kept = Arc::new(Kept::default());
    let server = server_but(&kept, |_, _, _| false);
    let session = client.session(&server.registry(), &["{registry}"], None);
    let bytes = large();
    let file = tempfile::tempfile_in(client._dir.path()).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    let stop = |_| ControlFlow::Break(());
    let url = server.url("/upload/0");
    let sent = session.upload(&url, &[], &blob(&bytes), &file, &stop);
    assert!(matches!(sent, Err(FetchError::Unwanted { .. })), "{sent:?}");
    assert!(kept.len() < bytes.len());
    assert!(server.requests().len() <= 1);
}
