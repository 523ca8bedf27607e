//! The clients attached to one container.
//!
//! A hub exists from the first attach, which comes before the start, until
//! the container ends. Output goes to every client in the order it was
//! written; a client that reads slowly slows the container down, as its own
//! terminal would, and one that is gone is forgotten. Input waits in the hub
//! until the container runs.

mod client;
mod follow;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bulkhead_api::stream::Stream;
use bulkhead_model::ContainerId;
use bulkhead_runtime::shim_protocol::Request;
use bytes::Bytes;
use tokio::sync::mpsc;

pub use client::Client;
pub use follow::{follow, lost};

/// Pieces of output that wait for one client.
const OUTPUT_QUEUE: usize = 16;
/// Requests that wait for the shim.
const REQUEST_QUEUE: usize = 16;

/// What a client of `attach` asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// It sends standard input.
    pub stdin: bool,
    /// It receives standard output.
    pub stdout: bool,
    /// It receives standard error.
    pub stderr: bool,
    /// The container has a terminal: output is not framed.
    pub terminal: bool,
    /// The end of its input is the end of the container's.
    pub close_stdin: bool,
}

impl Wants {
    fn takes(self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Reader {
    wants: Wants,
    output: mpsc::Sender<Bytes>,
}

/// One container's clients.
#[derive(Debug)]
pub struct Hub {
    readers: Mutex<Vec<Reader>>,
    requests: mpsc::Sender<Request>,
    waiting: Mutex<Option<mpsc::Receiver<Request>>>,
}

impl Hub {
    fn new() -> Self {
        let (requests, waiting) = mpsc::channel(REQUEST_QUEUE);
        Self {
            readers: Mutex::default(),
            requests,
            waiting: Mutex::new(Some(waiting)),
        }
    }

    /// Whether anybody waits for output.
    pub fn has_readers(&self) -> bool {
        !self.readers.lock().expect("hub readers").is_empty()
    }

    /// Adds a client; from now on it receives output.
    pub async fn join(&self, wants: Wants, running: bool) -> Client {
        let (output, receive) = mpsc::channel(OUTPUT_QUEUE);
        if wants.stdout || wants.stderr {
            self.readers
                .lock()
                .expect("hub readers")
                .push(Reader { wants, output });
            if running {
                let _ = self.requests.send(Request::Subscribe).await;
            }
        } else {
            // The queue of a client that only writes stays open without a reader.
            self.readers.lock().expect("hub readers").push(Reader {
                wants: Wants::default(),
                output,
            });
        }
        Client::new(wants, receive, self.requests.clone())
    }

    /// Tells the terminal its size.
    pub async fn resize(&self, columns: u16, rows: u16) {
        let _ = self.requests.send(Request::Resize { columns, rows }).await;
    }

    async fn deliver(&self, stream: Stream, payload: &[u8]) {
        let readers: Vec<Reader> = self.readers.lock().expect("hub readers").clone();
        let mut gone = false;
        for reader in readers.iter().filter(|r| r.wants.takes(stream)) {
            let piece = if reader.wants.terminal {
                Bytes::copy_from_slice(payload)
            } else {
                framed(stream, payload)
            };
            gone |= reader.output.send(piece).await.is_err();
        }
        if gone {
            self.readers
                .lock()
                .expect("hub readers")
                .retain(|r| !r.output.is_closed());
        }
    }
}

fn framed(stream: Stream, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [
        bulkhead_api::stream::header(stream, length).as_slice(),
        payload,
    ]
    .concat()
    .into()
}

/// Every container's hub.
#[derive(Clone, Debug, Default)]
pub struct Hubs(Arc<Mutex<HashMap<ContainerId, Arc<Hub>>>>);

impl Hubs {
    /// A container's hub, made when missing.
    pub fn of(&self, id: &ContainerId) -> Arc<Hub> {
        self.0
            .lock()
            .expect("hubs")
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Hub::new()))
            .clone()
    }

    /// The container ended: its clients reach the end of their output once
    /// they have read what is left.
    pub fn close(&self, id: &ContainerId) {
        if let Some(hub) = self.0.lock().expect("hubs").remove(id) {
            hub.readers.lock().expect("hub readers").clear();
        }
    }
}
