//! The container's standard input.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_sys::poll::{self, Progress};

/// Bytes kept for a container that does not read; beyond, clients wait.
const LIMIT: usize = 64 * 1024;

/// The writing end and what waits for it.
#[derive(Debug)]
pub(crate) struct Stdin {
    fd: Option<OwnedFd>,
    pending: VecDeque<u8>,
    once: bool,
    closing: bool,
}

impl Stdin {
    pub(crate) fn new(fd: Option<OwnedFd>, once: bool) -> Self {
        Self {
            fd,
            pending: VecDeque::new(),
            once,
            closing: false,
        }
    }

    /// Whether clients should be heard.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < LIMIT
    }

    /// The descriptor to wait for, while something waits for it.
    pub(crate) fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.fd
            .as_ref()
            .filter(|_| !self.pending.is_empty())
            .map(|fd| fd.as_fd())
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.fd.is_some() && !self.closing {
            self.pending.extend(bytes);
            self.flush();
        }
    }

    /// A client's input ended; the container's ends with it if it was
    /// promised to be used once.
    pub(crate) fn client_ended(&mut self) {
        if self.once {
            self.closing = true;
            self.flush();
        }
    }

    /// Writes what the container takes. One that closed its input gets none.
    pub(crate) fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        while !self.pending.is_empty() {
            match poll::write(fd, self.pending.make_contiguous()) {
                Ok(Progress::Bytes(n)) => drop(self.pending.drain(..n)),
                Ok(Progress::WouldBlock) => return,
                Err(_) => {
                    self.close();
                    return;
                }
            }
        }
        self.pending.shrink_to(0);
        if self.closing {
            self.close();
        }
    }

    fn close(&mut self) {
        self.fd = None;
        self.pending = VecDeque::new();
    }
}
