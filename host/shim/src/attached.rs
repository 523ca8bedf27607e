//! A client whose socket is the process's streams: Docker's frames or raw
//! bytes go out, input comes in.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_runtime::order::AttachOrder;
use bulkhead_sys::poll::{self, Events, Progress};
use bulkhead_sys::socket;

use crate::detach_keys::{DetachKeys, Scan};
use crate::output::{Chunk, Stream};

/// What a client sends that is not read for the process is thrown away in
/// pieces of this size, bytes.
const UNHEARD: usize = 4 * 1024;

/// One client.
///
/// A client that closes only its sending side goes on receiving. One that is
/// gone altogether is not written to, but what it had sent is read to the end.
#[derive(Debug)]
pub(crate) struct Attached {
    socket: OwnedFd,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    framed: bool,
    /// The end of its input is the end of the process's.
    pub(crate) close_stdin: bool,
    keys: DetachKeys,
    early: Vec<u8>,
    /// Bytes at the present chunk's end that it lacks.
    owed: usize,
    input_ended: bool,
    deaf: bool,
    detached: bool,
}

/// What was read from a client.
pub(crate) enum Input {
    /// So much of the buffer, for the process.
    Bytes(std::ops::Range<usize>),
    /// Nothing, or nothing for the process.
    Nothing,
}

impl Attached {
    pub(crate) fn new(order: AttachOrder, socket: OwnedFd) -> io::Result<Self> {
        poll::set_nonblocking(&socket)?;
        Ok(Self {
            socket,
            stdin: order.stdin,
            stdout: order.stdout,
            stderr: order.stderr,
            framed: order.framed,
            close_stdin: order.close_stdin && order.stdin,
            keys: DetachKeys::new(order.detach_keys),
            early: if order.stdin { order.early } else { Vec::new() },
            owed: 0,
            input_ended: false,
            deaf: false,
            detached: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What to wait for; `None` while it can do nothing for us. `room`: the
    /// process takes input.
    pub(crate) fn interest(&self, room: bool) -> Option<Events> {
        let mut events = Events::empty();
        events.set(Events::POLLIN, !self.input_ended && (room || !self.stdin));
        events.set(Events::POLLOUT, self.owed > 0);
        // Its hanging up would be told again and again.
        (!self.deaf || !events.is_empty()).then_some(events)
    }

    /// Neither to be written to nor to be heard any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.detached || (self.deaf && self.input_ended)
    }

    /// It left by its keys.
    pub(crate) fn has_detached(&self) -> bool {
        self.detached
    }

    pub(crate) fn has_early_input(&self) -> bool {
        !self.early.is_empty()
    }

    /// Whether it lacks some of the present chunk.
    pub(crate) fn is_behind(&self) -> bool {
        self.owed > 0
    }

    /// Whether it listens to any output.
    pub(crate) fn listens(&self) -> bool {
        (self.stdout || self.stderr) && !self.deaf
    }

    /// It is owed the new chunk from now on, and gets what its socket takes.
    pub(crate) fn offer(&mut self, chunk: &Chunk) {
        let wanted = match chunk.stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        if wanted && !self.deaf {
            self.owed = chunk.len(self.framed);
            self.flush(chunk);
        }
    }

    pub(crate) fn flush(&mut self, chunk: &Chunk) {
        while self.owed > 0 {
            match poll::write(&self.socket, chunk.last(self.owed)) {
                Ok(Progress::Bytes(n)) => self.owed -= n,
                Ok(Progress::WouldBlock) => return,
                Err(_) => self.hung_up(),
            }
        }
    }

    /// The peer receives nothing any more.
    pub(crate) fn hung_up(&mut self) {
        self.deaf = true;
        self.owed = 0;
    }

    /// Reads input into `buffer`, which has [`DetachKeys::room`] to spare at its
    /// beginning.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Input {
        if !self.stdin {
            self.discard();
            return Input::Nothing;
        }
        let spare = DetachKeys::ROOM;
        let count = if self.early.is_empty() {
            match poll::read(&self.socket, &mut buffer[spare..]) {
                Ok(Progress::Bytes(n @ 1..)) => n,
                Ok(Progress::WouldBlock) => return Input::Nothing,
                Ok(Progress::Bytes(_)) => {
                    self.input_ended = true;
                    return Input::Nothing;
                }
                Err(_) => {
                    self.input_ended = true;
                    self.hung_up();
                    return Input::Nothing;
                }
            }
        } else {
            self.take_early(&mut buffer[spare..])
        };
        let Scan { range, detached } = self.keys.scan(buffer, spare..spare + count);
        self.detached = detached;
        Input::Bytes(range)
    }

    fn take_early(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.early.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.early[..count]);
        self.early.drain(..count);
        if self.early.is_empty() {
            self.early = Vec::new();
        }
        count
    }

    pub(crate) fn input_has_ended(&self) -> bool {
        self.input_ended
    }

    /// Reads what nobody wants, to notice the end.
    fn discard(&mut self) {
        let mut buffer = [0; UNHEARD];
        match poll::read(&self.socket, &mut buffer) {
            Ok(Progress::Bytes(1..)) | Ok(Progress::WouldBlock) => {}
            Ok(Progress::Bytes(_)) => self.input_ended = true,
            Err(_) => {
                self.input_ended = true;
                self.hung_up();
            }
        }
    }

    /// Ends the connection. A unix socket that is closed with something unread
    /// in it gives its peer ECONNRESET in place of the end
    /// (`unix_release_sock` in net/unix/af_unix.c), and so does TCP.
    pub(crate) fn close(self) {
        let mut buffer = [0; UNHEARD];
        // Fails when the peer is gone, and then nothing is left to do.
        if socket::shut_down_writing(&self.socket).is_ok() {
            while let Ok(Progress::Bytes(1..)) = poll::read(&self.socket, &mut buffer) {}
        }
    }
}
