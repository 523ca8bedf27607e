//! One stream of the container's output.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_sys::poll::{self, Progress};

/// Bytes moved at once: a pipe's page-sized writes come out whole, and a
/// frame for each client stays small.
pub(crate) const CHUNK: usize = 8 * 1024;

/// A pipe's reading end, or the terminal's master.
#[derive(Debug)]
pub(crate) struct Output {
    fd: OwnedFd,
    /// The frame type of its bytes.
    pub(crate) kind: u8,
    /// Nobody has the other end open for now. A terminal can be opened again.
    pub(crate) hung_up: bool,
}

/// What a read came to.
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    End,
}

impl Output {
    pub(crate) fn new(fd: OwnedFd, kind: u8) -> io::Result<Self> {
        poll::set_nonblocking(&fd)?;
        Ok(Self {
            fd,
            kind,
            hung_up: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A terminal without an open slave answers EIO.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Read {
        match poll::read(&self.fd, buffer) {
            Ok(Progress::Bytes(0)) | Err(_) => Read::End,
            Ok(Progress::Bytes(n)) => Read::Bytes(n),
            Ok(Progress::WouldBlock) => Read::Nothing,
        }
    }
}
