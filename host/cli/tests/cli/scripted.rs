//! A daemon that follows a script: it records the calls and gives prepared
//! answers, so that what a client sends and in which order can be seen.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// Gives the answer to a call, from its method, its path and its body.
pub(crate) type Script = dyn Fn(&str, &str, &str) -> Answer + Send + Sync;

pub(crate) enum Answer {
    /// A status and a body.
    Whole(u16, &'static str),
    /// `101 UPGRADED`, these bytes, and the end.
    Upgrade(&'static [u8]),
}

/// A daemon on a socket of its own.
pub(crate) struct Daemon {
    calls: Arc<Mutex<Vec<String>>>,
    dir: tempfile::TempDir,
}

impl Daemon {
    pub(crate) fn start(
        script: impl Fn(&str, &str, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("sock")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (script, recorded): (Arc<Script>, _) = (Arc::new(script), calls.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, recorded) = (script.clone(), recorded.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &*script, &recorded));
            }
        });
        Self { calls, dir }
    }

    /// Runs the client against this daemon.
    pub(crate) fn bulkhead(&self, words: &[&str]) -> Shown {
        bulkhead(&self.dir.path().join("sock"), words)
    }

    /// The calls so far, `METHOD path`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// What a command left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the client against a socket.
pub(crate) fn bulkhead(socket: &Path, words: &[&str]) -> Shown {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(words)
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Shown {
        code: status.code().unwrap(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn serve(stream: UnixStream, script: &Script, calls: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        calls.lock().unwrap().push(format!("{method} {path}"));
        match script(method, path, &String::from_utf8(body).unwrap()) {
            Answer::Whole(status, body) => {
                let length = if status == 204 {
                    String::new()
                } else {
                    format!("Content-Length: {}\r\n", body.len())
                };
                write!(writer, "HTTP/1.1 {status} X\r\n{length}\r\n{body}").unwrap();
            }
            Answer::Upgrade(bytes) => {
                write!(
                    writer,
                    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                )
                .unwrap();
                writer.write_all(bytes).unwrap();
                return writer.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
    }
}
