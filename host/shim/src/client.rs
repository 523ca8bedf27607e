//! A connection of the daemon's.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use bulkhead_runtime::shim_protocol::{Decoder, Event, Message, Request, frame};
use bulkhead_sys::poll::{self, Events, Progress};

/// Bytes kept for a client that does not read. While one has more than this,
/// the container's output is not read either.
const LIMIT: usize = 64 * 1024;

/// Requests are small, but for input.
const CHUNK: usize = 4 * 1024;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    connection: UnixStream,
    requests: Decoder<Request>,
    outgoing: VecDeque<u8>,
    /// It gets output.
    pub(crate) subscribed: bool,
    /// It hung up, or broke the protocol.
    pub(crate) gone: bool,
}

impl Client {
    pub(crate) fn new(connection: UnixStream) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        Ok(Self {
            connection,
            requests: Decoder::default(),
            outgoing: VecDeque::new(),
            subscribed: false,
            gone: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    pub(crate) fn interest(&self, listen: bool) -> Events {
        let mut events = Events::empty();
        events.set(Events::POLLIN, listen);
        events.set(Events::POLLOUT, !self.outgoing.is_empty());
        events
    }

    /// Whether it is too far behind for more output.
    pub(crate) fn is_behind(&self) -> bool {
        self.subscribed && self.outgoing.len() > LIMIT
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Reads what it sent and gives whole requests.
    pub(crate) fn receive(&mut self) -> Vec<Request> {
        let mut buffer = [0; CHUNK];
        match poll::read(&self.connection, &mut buffer) {
            Ok(Progress::Bytes(0)) | Err(_) => self.gone = true,
            Ok(Progress::WouldBlock) => {}
            Ok(Progress::Bytes(n)) => self.requests.push(&buffer[..n]),
        }
        let mut out = Vec::new();
        loop {
            match self.requests.next_message() {
                Ok(Some(request)) => out.push(request),
                Ok(None) => return out,
                Err(_) => {
                    self.gone = true;
                    return out;
                }
            }
        }
    }

    pub(crate) fn send(&mut self, event: &Event) {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        self.outgoing.extend(bytes);
        self.flush();
    }

    pub(crate) fn send_output(&mut self, kind: u8, bytes: &[u8]) {
        let mut framed = Vec::with_capacity(bytes.len() + 8);
        frame(kind, bytes, &mut framed);
        self.outgoing.extend(framed);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            match poll::write(&self.connection, self.outgoing.make_contiguous()) {
                Ok(Progress::Bytes(n)) => drop(self.outgoing.drain(..n)),
                Ok(Progress::WouldBlock) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        self.outgoing.shrink_to(0);
    }
}
