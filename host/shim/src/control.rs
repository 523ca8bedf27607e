//! A control connection of the daemon's.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use bulkhead_runtime::shim_protocol::{Decoder, Event, Message, Request};
use bulkhead_sys::poll::{self, Events, Progress};
use bulkhead_sys::socket;

/// Requests are small, but for what a client typed early.
const CHUNK: usize = 4 * 1024;

/// Descriptors that may wait for the end of their request.
const MAX_DESCRIPTORS: usize = 16;

/// Bytes that may wait for a daemon that does not read.
const MAX_OUTGOING: usize = 64 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Control {
    connection: UnixStream,
    requests: Decoder<Request>,
    descriptors: VecDeque<OwnedFd>,
    outgoing: Vec<u8>,
    /// It hung up, or broke the protocol.
    pub(crate) gone: bool,
}

impl Control {
    pub(crate) fn new(connection: UnixStream) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        Ok(Self {
            connection,
            requests: Decoder::default(),
            descriptors: VecDeque::new(),
            outgoing: Vec::new(),
            gone: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    pub(crate) fn interest(&self) -> Events {
        let mut events = Events::POLLIN;
        events.set(Events::POLLOUT, !self.outgoing.is_empty());
        events
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Reads what has come and gives the whole requests in it.
    pub(crate) fn receive(&mut self) -> Vec<Request> {
        let mut buffer = [0; CHUNK];
        match socket::recv(&self.connection, &mut buffer, MAX_DESCRIPTORS) {
            Err(e) if e.io_kind() == io::ErrorKind::WouldBlock => {}
            Ok(received) if received.len > 0 => {
                self.requests.push(&buffer[..received.len]);
                self.descriptors.extend(received.fds);
                self.gone |= self.descriptors.len() > MAX_DESCRIPTORS;
            }
            Ok(_) | Err(_) => self.gone = true,
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

    /// The descriptor that came with the oldest request that needs one.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        let taken = self.descriptors.pop_front();
        self.gone |= taken.is_none();
        taken
    }

    pub(crate) fn send(&mut self, event: &Event) {
        event.encode(&mut self.outgoing);
        self.gone |= self.outgoing.len() > MAX_OUTGOING;
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            match poll::write(&self.connection, &self.outgoing) {
                Ok(Progress::Bytes(n)) => drop(self.outgoing.drain(..n)),
                Ok(Progress::WouldBlock) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }
}
