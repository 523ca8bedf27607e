//! A client of an engine's attach that does nothing but read and write.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bulkhead_test_support::call;
use serde_json::{Value, json};

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// Before each piece of output (Docker's API, `ContainerAttach`).
const HEAD: usize = 8;

/// A running container and its streams. Dropping it removes the container.
pub(crate) struct Streams {
    engine: PathBuf,
    container: String,
    connection: UnixStream,
    buffer: Vec<u8>,
    /// Bytes of a frame that are to come.
    left: usize,
    head: Vec<u8>,
}

impl Streams {
    /// Starts a container that runs `script`.
    pub(crate) fn open(engine: &Path, image: &str, script: &str, log: &Value) -> Result<Self> {
        let config = json!({
            "Image": image,
            "Cmd": ["bash", "-c", script],
            "OpenStdin": true,
            "HostConfig": {"LogConfig": log, "NetworkMode": "none"},
        });
        let created = call(engine, "POST", "/v1.41/containers/create", &config)?.json();
        let container = created["Id"].as_str();
        let container = container.with_context(|| created.to_string())?.to_owned();
        let connection = attach(engine, &container)?;
        let start = format!("/v1.41/containers/{container}/start");
        let started = call(engine, "POST", &start, &Value::Null)?;
        ensure!(started.status == 204, "start: {}", started.text());
        Ok(Streams {
            engine: engine.to_owned(),
            container,
            connection,
            buffer: vec![0; BUFFER],
            left: 0,
            head: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.connection.write_all(bytes).context("send input")
    }

    /// Reads so many bytes of output.
    pub(crate) fn receive(&mut self, mut bytes: usize) -> Result<()> {
        while bytes > 0 {
            let count = self.connection.read(&mut self.buffer).context("read")?;
            ensure!(count > 0, "the output ended");
            bytes = bytes.checked_sub(self.payload(count)).context("too much")?;
        }
        Ok(())
    }

    /// How many of the first `count` bytes in the buffer are no heads.
    fn payload(&mut self, count: usize) -> usize {
        let (mut at, mut payload) = (0, 0);
        while at < count {
            if self.left == 0 {
                let take = (HEAD - self.head.len()).min(count - at);
                self.head.extend_from_slice(&self.buffer[at..at + take]);
                at += take;
                if let [_, _, _, _, a, b, c, d] = self.head[..] {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.head.clear();
                }
            }
            let part = self.left.min(count - at);
            (at, payload, self.left) = (at + part, payload + part, self.left - part);
        }
        payload
    }
}

fn attach(engine: &Path, container: &str) -> Result<UnixStream> {
    let mut connection = UnixStream::connect(engine)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        connection,
        "POST /v1.41/containers/{container}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n\
         Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).context("attach")?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(head.starts_with("HTTP/1.1 101"), "attach: {head}");
    Ok(connection)
}

impl Drop for Streams {
    fn drop(&mut self) {
        // The engine may be gone, and the container with it.
        let path = format!("/v1.41/containers/{}?force=1", self.container);
        let _ = call(&self.engine, "DELETE", &path, &Value::Null);
    }
}
