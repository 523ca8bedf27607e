//! A registry that says what a test wants it to say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::image::{self, Image};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `HEAD`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of a form; of nothing else.
    pub form: String,
}

impl Request {
    /// The value of the first header called `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Where a range that is open at its end begins.
    fn range_start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What a registry holds in one repository.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The end of a path, such as `/manifests/latest`, to media type and bytes.
    files: BTreeMap<String, (String, Vec<u8>)>,
    layers: Vec<String>,
}

impl Content {
    /// An image with everything it needs, tagged `latest`.
    pub fn of(image: &Image) -> Self {
        let mut content = Content::default();
        let manifest = image.manifest();
        for blob in manifest.blobs() {
            content.put_blob(&blob.bytes);
        }
        content.layers = manifest.layer_digests();
        content.put_manifest("latest", &manifest.media_type, &manifest.bytes);
        content
    }

    /// One more blob; its digest.
    pub fn put_blob(&mut self, bytes: &[u8]) -> String {
        let digest = image::digest(bytes);
        let file = ("application/octet-stream".to_owned(), bytes.to_vec());
        self.files.insert(format!("/blobs/{digest}"), file);
        digest
    }

    /// A manifest by tag and by digest; its digest.
    pub fn put_manifest(&mut self, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = image::digest(bytes);
        for name in [tag, &digest] {
            let file = (media_type.to_owned(), bytes.to_vec());
            self.files.insert(format!("/manifests/{name}"), file);
        }
        digest
    }

    /// The digest of the image's layer `number`, counted from the lowest.
    pub fn layer(&self, number: usize) -> &str {
        &self.layers[number]
    }

    /// The bytes of a blob, which must be there.
    pub fn blob(&self, digest: &str) -> &[u8] {
        &self.files[&format!("/blobs/{digest}")].1
    }

    fn find(&self, target: &str) -> Option<&(String, Vec<u8>)> {
        let at = target.rfind("/manifests/").or(target.rfind("/blobs/"))?;
        self.files.get(&target[at..])
    }
}

/// Answers requests that it wants otherwise than by the content, and says so.
pub type Script = dyn Fn(&Request, &mut TcpStream) -> bool + Send + Sync;

/// A running server. It ends with the test's process.
pub struct ScriptedRegistry {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedRegistry {
    /// Serves `content`, but for the requests that `script` answers itself.
    pub fn start(
        content: Content,
        script: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a free port");
        let address = listener.local_addr().expect("address of a listener");
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let shared = Arc::new((content, Box::new(script) as Box<Script>));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, seen) = (Arc::clone(&shared), Arc::clone(&seen));
                std::thread::spawn(move || answer(stream, &shared.0, &*shared.1, &seen));
            }
        });
        ScriptedRegistry {
            address: address.to_string(),
            requests,
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What to pull `name` by.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }
}

fn answer(mut stream: TcpStream, content: &Content, script: &Script, seen: &Mutex<Vec<Request>>) {
    let Some(request) = read(&stream) else { return };
    seen.lock().expect("requests").push(request.clone());
    if script(&request, &mut stream) {
        return;
    }
    match content.find(&request.target) {
        Some((media_type, bytes)) => {
            let from = request.range_start().unwrap_or(0).min(bytes.len());
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let headers = [
                ("Content-Type", media_type.as_str()),
                ("Content-Range", range.as_str()),
            ];
            let (status, headers) = match from {
                0 => ("200 OK", &headers[..1]),
                _ => ("206 Partial Content", &headers[..]),
            };
            head(&mut stream, status, headers, bytes.len() - from);
            if request.method != "HEAD" {
                // A client that has heard enough may leave.
                let _ = stream.write_all(&bytes[from..]);
            }
        }
        None if request.target == "/v2/" => reply(&mut stream, "200 OK", &[], b"{}"),
        None => {
            let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            reply(&mut stream, "404 Not Found", &[], body);
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        target,
        headers,
        form: String::new(),
    };
    if request.header("content-type") == Some("application/x-www-form-urlencoded") {
        let length = request.header("content-length")?.parse().ok()?;
        reader.take(length).read_to_string(&mut request.form).ok()?;
    }
    Some(request)
}

/// Writes a whole answer with its length.
pub fn reply(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    head(stream, status, headers, body.len());
    // A client that has heard enough may leave.
    let _ = stream.write_all(body);
}

/// Writes an answer's head, with a length that the body need not have.
pub fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], length: usize) {
    let mut head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // As above.
    let _ = stream.write_all((head + "\r\n").as_bytes());
}
