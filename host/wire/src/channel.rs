//! Framed messages on a SOCK_SEQPACKET socket.
//!
//! A message up to [`CHUNK`] bytes is one datagram; a longer one is cut into
//! several, because the kernel refuses a datagram larger than the socket's
//! send buffer (`unix(7)`, SO_SNDBUF). The first byte of each datagram says
//! whether more follow.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Payload bytes of one datagram.
pub const CHUNK: usize = 64 << 10;

/// The largest message: a registry body of 4 MiB with its headers.
pub const MAX_MESSAGE: usize = 6 << 20;

const LAST: u8 = 0;
const MORE: u8 = 1;

/// Why a message did not go or did not come.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The peer closed its end, or is dead.
    #[error("the peer is gone")]
    Closed,
    /// Nothing came within the channel's timeout.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The message exceeds [`MAX_MESSAGE`].
    #[error("a message is larger than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// The bytes are not a message.
    #[error("a message cannot be read")]
    Malformed,
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    socket: UnixDatagram,
    outgoing: Vec<u8>,
    datagram: Box<[u8]>,
    timeout: Option<Duration>,
}

impl Channel {
    /// Takes one end of a SOCK_SEQPACKET pair.
    ///
    /// The standard library's datagram socket only ever calls `send` and
    /// `recv` here, which mean the same on a connected SEQPACKET socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket: UnixDatagram::from(socket),
            outgoing: Vec::with_capacity(1024),
            datagram: vec![0; CHUNK + 1].into_boxed_slice(),
            timeout: None,
        }
    }

    /// How long [`Channel::recv`] waits for each datagram; `None` is for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ChannelError> {
        if self.timeout != timeout {
            self.socket
                .set_read_timeout(timeout)
                .map_err(ChannelError::Socket)?;
            self.timeout = timeout;
        }
        Ok(())
    }

    /// Sends one message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), ChannelError> {
        let mut bytes = std::mem::take(&mut self.outgoing);
        bytes.clear();
        bytes.push(LAST);
        let bytes = postcard::to_extend(message, bytes).map_err(|_| ChannelError::Malformed)?;
        let sent = self.send_framed(&bytes);
        // A large message must not keep its memory for ever.
        self.outgoing = if bytes.capacity() > CHUNK {
            Vec::new()
        } else {
            bytes
        };
        sent
    }

    fn send_framed(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        if bytes.len() <= CHUNK + 1 {
            return self.send_datagram(bytes);
        }
        let payload = &bytes[1..];
        if payload.len() > MAX_MESSAGE {
            return Err(ChannelError::TooLarge);
        }
        let mut piece = Vec::with_capacity(CHUNK + 1);
        let mut rest = payload;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK));
            piece.clear();
            piece.push(if later.is_empty() { LAST } else { MORE });
            piece.extend_from_slice(now);
            self.send_datagram(&piece)?;
            rest = later;
        }
        Ok(())
    }

    fn send_datagram(&self, bytes: &[u8]) -> Result<(), ChannelError> {
        loop {
            match self.socket.send(bytes) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(socket_error(e)),
            }
        }
    }

    /// Receives one message.
    pub fn recv<T: DeserializeOwned>(&mut self) -> Result<T, ChannelError> {
        let len = self.recv_datagram()?;
        if self.datagram[0] == LAST {
            return decode(&self.datagram[1..len]);
        }
        let mut whole = self.datagram[1..len].to_vec();
        while self.datagram[0] == MORE {
            let len = self.recv_datagram()?;
            if whole.len() + len > MAX_MESSAGE {
                return Err(ChannelError::TooLarge);
            }
            whole.extend_from_slice(&self.datagram[1..len]);
        }
        decode(&whole)
    }

    fn recv_datagram(&mut self) -> Result<usize, ChannelError> {
        loop {
            match self.socket.recv(&mut self.datagram) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(len) => return Ok(len),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(socket_error(e)),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket_error(error: io::Error) -> ChannelError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ChannelError::Timeout,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::NotConnected => ChannelError::Closed,
        _ => ChannelError::Socket(error),
    }
}

/// Reads a whole message; bytes left over are an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ChannelError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(ChannelError::Malformed),
    }
}

#[cfg(test)]
mod tests;
