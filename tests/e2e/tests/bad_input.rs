//! What a client may get wrong, or do on purpose: a right status, bounded
//! memory, nothing left open, and no effect on others.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bulkhead_test_support::{Daemon, images, wait_until};
use serde_json::json;

fn connect(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.socket()).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// What the daemon says to these bytes until it closes the connection.
fn answer_to(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = connect(daemon);
    // The daemon may have heard enough before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn descriptors(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.pid());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Resident memory, KiB.
fn memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let digits = line.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

#[test]
fn bodies_that_make_no_sense_are_refused_by_name() {
    let daemon = Daemon::start();
    let huge = "9".repeat(400);
    for (body, said) in [
        ("{", "invalid JSON"),
        ("not json", "invalid JSON"),
        ("[]", "expected an object"),
        (r#"{"Tty":"yes"}"#, "invalid field Tty"),
        (r#"{"HostConfig":{"Memory":NaN}}"#, "invalid JSON"),
        (
            r#"{"HostConfig":{"Memory":1.5}}"#,
            "invalid field HostConfig.Memory",
        ),
        (
            r#"{"HostConfig":{"Memory":1e400}}"#,
            "invalid JSON: number out of range",
        ),
        (
            r#"{"HostConfig":{"PidsLimit":99999999999999999999}}"#,
            "invalid field HostConfig.PidsLimit",
        ),
        (
            &format!(r#"{{"HostConfig":{{"NanoCpus":{huge}}}}}"#),
            "out of range",
        ),
        (r#"{"Env":{"A":"b"}}"#, "invalid field Env"),
        (
            &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
            "recursion limit",
        ),
    ] {
        let answer = daemon.send(
            "POST",
            "/containers/create",
            "application/json",
            body.as_bytes(),
        );
        let message = answer.json()["message"].as_str().unwrap_or("").to_owned();
        let shown: String = body.chars().take(60).collect();
        assert_eq!(answer.status, 400, "{shown}: {message}");
        assert!(message.contains(said), "{shown}: {message}");
    }
    let large = vec![b' '; 5 << 20];
    let answer = daemon.send("POST", "/containers/create", "application/json", &large);
    assert_eq!(answer.status, 413, "{}", answer.text());
}

#[test]
fn queries_and_paths_that_make_no_sense() {
    let daemon = Daemon::start();
    for (method, target, status, said) in [
        ("GET", "/v1.10/info", 400, "client version 1.10 is too old"),
        ("GET", "/v1.99/info", 400, "client version 1.99 is too new"),
        ("GET", "/v1.41/nowhere", 404, "page not found"),
        ("PUT", "/version", 404, "page not found"),
        ("POST", "/session", 404, "page not found"),
        ("GET", "/swarm", 503, "not a swarm manager"),
        ("GET", "/plugins/x/json", 404, "plugin \"x\" not found"),
        ("GET", "/containers/json?limit=x", 400, "limit"),
        ("GET", "/containers/json?filters=x", 400, "invalid filter"),
        (
            "GET",
            "/containers/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D",
            400,
            "invalid filter 'colour'",
        ),
        ("GET", "/events?since=soon", 400, "failed to parse"),
        ("GET", "/events?since=5&until=1", 400, "cannot be after"),
        ("GET", "/containers/..%2f..%2fetc/json", 404, "../../etc"),
        (
            "GET",
            "/containers/a%2Fb/json",
            404,
            "No such container: a/b",
        ),
        ("GET", "/containers/../json", 404, "No such container: .."),
        ("GET", "/containers/%00/json", 404, "No such container"),
        ("GET", "/containers/%zz/json", 404, "No such container: %zz"),
    ] {
        let answer = daemon.request(method, target);
        let message = answer.json()["message"].as_str().unwrap_or("").to_owned();
        assert_eq!(answer.status, status, "{target}: {message}");
        assert!(message.contains(said), "{target}: {message}");
    }
    // Unknown parameters are ignored; any other word is a yes.
    let answer = daemon.request("GET", "/containers/json?all=maybe&tomorrow=1");
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
}

#[test]
fn bytes_that_are_no_http() {
    let daemon = Daemon::start();
    let status = |bytes: &[u8]| {
        let answer = answer_to(&daemon, bytes);
        answer.get(9..12).unwrap_or_default().to_owned()
    };
    assert_eq!(status(b"\x16\x03\x01\x02\x00\x01\x00"), "400");
    assert_eq!(status(b"GET / HTTP/9.9\r\n\r\n"), "400");
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    assert!(matches!(
        status(long.as_bytes()).as_str(),
        "414" | "431" | ""
    ));
    let wide = format!("GET /_ping HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    assert!(matches!(status(wide.as_bytes()).as_str(), "431" | ""));
    // RFC 9112, section 6.1: both lengths, or a coding that is not chunked
    // last, are how requests are smuggled.
    let both = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /info HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = answer_to(&daemon, both);
    assert!(!answer.contains("ServerVersion"), "{answer}");
    let odd = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n";
    assert_eq!(status(odd), "400");
    let lengths =
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x";
    assert_eq!(status(lengths), "400");
    // Garbage behind a good request ends the connection, not the daemon.
    let mut piped = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    piped.extend(vec![0xff; 4096]);
    assert!(answer_to(&daemon, &piped).contains("OK"));
    assert_eq!(daemon.request("GET", "/_ping").text(), "OK");
}

/// Clients of calls that last, each gone in the middle.
fn vanish(daemon: &Daemon) {
    for request in [
        "GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /containers/cat/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "GET /containers/cat/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /containers/cat/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n",
        "GET /containers/cat/attach/ws?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        "POST /images/create?fromImage=127.0.0.1:1/x HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = connect(daemon);
        stream.write_all(request.as_bytes()).unwrap();
        // Some after the head of the answer, some before.
        let mut head = [0; 12];
        if !request.contains("create") && !request.contains("wait") {
            stream.read_exact(&mut head).unwrap();
        }
    }
}

#[test]
fn clients_that_vanish_leave_nothing_open() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = ["run", "-di", "--name", "cat", "busybox", "cat"];
    daemon.docker(&run).success();
    // What the first of each kind opens for good is no leak.
    vanish(&daemon);
    wait_until(|| daemon.request("GET", "/info").json()["NEventsListener"] == 0);
    let before = descriptors(&daemon);
    for _ in 0..20 {
        vanish(&daemon);
    }
    wait_until(|| descriptors(&daemon) <= before + 2);
    assert_eq!(daemon.request("GET", "/_ping").text(), "OK");
    daemon.docker(&["rm", "-f", "cat"]).success();
}

#[test]
fn two_thousand_idle_connections_cost_little_and_hinder_nobody() {
    let daemon = Daemon::start();
    daemon.request("GET", "/info");
    let (open, used) = (descriptors(&daemon), memory(&daemon));
    let mut idle: Vec<_> = (0..2000).map(|_| connect(&daemon)).collect();
    for stream in idle.iter_mut().step_by(2) {
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost:").unwrap();
    }
    // One of those counted before may have been on its way out.
    wait_until(|| descriptors(&daemon) >= open + 1990);
    let answer = daemon.request_json("POST", "/volumes/create", &json!({"Name": "kept"}));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let grown = memory(&daemon).saturating_sub(used);
    assert!(grown < 64 * 1024, "{grown} KiB for 2000 idle connections");
    drop(idle);
    wait_until(|| descriptors(&daemon) <= open + 2);
}
