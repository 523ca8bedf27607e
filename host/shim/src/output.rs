//! The process's output: its streams, and the piece that is on its way.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_sys::poll::{self, Progress};

/// Bytes moved at once: half of what a pipe holds, so that the process fills
/// the one while the other is on its way. Whole pages: what is left of one
/// keeps its place in the pipe.
pub(crate) const CHUNK: usize = 32 * 1024;

/// The same beside a log, which has buffers of its own.
pub(crate) const LOGGED_CHUNK: usize = 16 * 1024;

/// A frame's head in Docker's multiplexed stream: the stream's number, three
/// zeros, the length as a big-endian u32.
const HEAD: usize = 8;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, or the terminal's.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A pipe's reading end, or the terminal's master.
#[derive(Debug)]
pub(crate) struct Output {
    fd: OwnedFd,
    /// What its bytes are.
    pub(crate) stream: Stream,
    /// Nobody has the other end open for now. A terminal can be opened again.
    pub(crate) hung_up: bool,
    /// Bytes that are read yet.
    left: u64,
}

/// A terminal does not say how much is in it; it is less.
const IN_TERMINAL: u64 = 1 << 20;

/// What a read came to.
pub(crate) enum Read {
    /// There is a new chunk.
    Bytes,
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    End,
}

/// The piece of output that clients are getting. There is only one: while any
/// client lacks some of it, no more is read, so that a client that does not
/// read costs no memory.
pub(crate) struct Chunk {
    /// A frame: the head and what was read. Made for the first output: most
    /// containers are silent most of the time.
    bytes: Vec<u8>,
    /// What it holds at most, bytes.
    room: usize,
    end: usize,
    /// Where it came from.
    pub(crate) stream: Stream,
}

impl Chunk {
    /// One that holds so many bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            bytes: Vec::new(),
            room,
            end: HEAD,
            stream: Stream::Stdout,
        }
    }

    /// What was read.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[HEAD..self.end]
    }

    /// Its length with or without the head, bytes.
    pub(crate) fn len(&self, framed: bool) -> usize {
        if framed { self.end } else { self.end - HEAD }
    }

    /// So many bytes from its end.
    pub(crate) fn last(&self, count: usize) -> &[u8] {
        &self.bytes[self.end - count..self.end]
    }

    fn fill(&mut self, stream: Stream, count: usize) {
        self.stream = stream;
        self.end = HEAD + count;
        let number = match stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        self.bytes[0] = number;
        self.bytes[4..HEAD].copy_from_slice(&(count as u32).to_be_bytes());
    }
}

impl Output {
    pub(crate) fn new(fd: OwnedFd, stream: Stream) -> io::Result<Self> {
        poll::set_nonblocking(&fd)?;
        Ok(Self {
            fd,
            stream,
            hung_up: false,
            left: u64::MAX,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Only what is in it now is read yet.
    pub(crate) fn end_soon(&mut self) {
        self.hung_up = false;
        self.left = match poll::readable(&self.fd) {
            Ok(bytes @ 1..) => bytes,
            _ => IN_TERMINAL,
        };
    }

    /// A terminal without an open slave answers EIO.
    pub(crate) fn read(&mut self, chunk: &mut Chunk) -> Read {
        let most = usize::try_from(self.left).map_or(chunk.room, |left| left.min(chunk.room));
        if most == 0 {
            return Read::End;
        }
        if chunk.bytes.is_empty() {
            chunk.bytes = vec![0; HEAD + chunk.room];
        }
        match poll::read(&self.fd, &mut chunk.bytes[HEAD..][..most]) {
            Ok(Progress::Bytes(0)) | Err(_) => Read::End,
            Ok(Progress::Bytes(n)) => {
                chunk.fill(self.stream, n);
                self.left = self.left.saturating_sub(n as u64);
                Read::Bytes
            }
            Ok(Progress::WouldBlock) => Read::Nothing,
        }
    }
}
