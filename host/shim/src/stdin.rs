//! The process's standard input.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_sys::poll::{self, Progress};

use crate::attached::{Attached, Input};

/// Bytes moved at once, and kept for a process that does not read; clients
/// wait meanwhile.
const CHUNK: usize = 64 * 1024;

/// The writing end and what waits for it.
#[derive(Debug)]
pub(crate) struct Stdin {
    fd: Option<OwnedFd>,
    /// Made for the first input.
    buffer: Vec<u8>,
    pending: std::ops::Range<usize>,
    closing: bool,
}

impl Stdin {
    pub(crate) fn new(fd: Option<OwnedFd>) -> Self {
        Self {
            fd,
            buffer: Vec::new(),
            pending: 0..0,
            closing: false,
        }
    }

    /// Whether clients should be heard. Without a process that reads they
    /// are, for nothing.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.is_empty()
    }

    /// The descriptor to wait for, while something waits for it.
    pub(crate) fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.fd
            .as_ref()
            .filter(|_| !self.pending.is_empty())
            .map(|fd| fd.as_fd())
    }

    /// Moves what a client sent, when there is room for it. Whether there was
    /// something.
    pub(crate) fn take(&mut self, client: &mut Attached) -> bool {
        if self.buffer.is_empty() {
            self.buffer = vec![0; CHUNK];
        }
        let Input::Bytes(range) = client.read(&mut self.buffer) else {
            return false;
        };
        if self.fd.is_some() && !self.closing {
            self.pending = range;
            self.flush();
        }
        true
    }

    /// The input ends for good when what is left of it is written.
    pub(crate) fn end(&mut self) {
        self.closing = true;
        self.flush();
    }

    /// Writes what the process takes. One that closed its input gets none.
    pub(crate) fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        while !self.pending.is_empty() {
            match poll::write(fd, &self.buffer[self.pending.clone()]) {
                Ok(Progress::Bytes(n)) => self.pending.start += n,
                Ok(Progress::WouldBlock) => return,
                Err(_) => {
                    self.close();
                    return;
                }
            }
        }
        if self.closing {
            self.close();
        }
    }

    fn close(&mut self) {
        self.fd = None;
        self.pending = 0..0;
    }
}
