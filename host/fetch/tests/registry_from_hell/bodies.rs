//! Bodies that lie, break off, stall or never end.

use super::*;

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
    let client = Client::impatient();
    let server = Server::start(|_, stream| {
        head(stream, "200 OK", &[], 5);
        let _ = stream.write_all(b"he");
        std::thread::sleep(Duration::from_secs(300));
    });
    let start = Instant::now();
    let error = client.download(&server, b"hello").unwrap_err();
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(60));
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
