//! Unix sockets: pairs, messages with descriptors (SCM_RIGHTS), credentials
//! of the peer (`unix(7)`).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    self, AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
};

use crate::error::{Error, Result, named};

/// A connected pair of SOCK_SEQPACKET sockets: messages keep their borders.
pub fn seqpacket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let pair = socket::socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    named(pair, "socketpair", "SOCK_SEQPACKET")
}

/// A connected pair of SOCK_STREAM sockets.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd)> {
    let pair = socket::socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    named(pair, "socketpair", "SOCK_STREAM")
}

/// Sends one message and the descriptors that go with it. SIGPIPE is not
/// raised. On a SEQPACKET socket the message goes whole or not at all; on a
/// stream the number of bytes taken may be less than given.
///
/// # Errors
/// EMSGSIZE when the message exceeds the socket's send buffer; EPIPE when the
/// peer is gone.
pub fn send(fd: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let iov = [IoSlice::new(message)];
    loop {
        let sent = socket::sendmsg::<()>(
            fd.as_fd().as_raw_fd(),
            &iov,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        if sent != Err(nix::errno::Errno::EINTR) {
            return named(
                sent,
                "sendmsg",
                format_args!("{} bytes, {} descriptors", message.len(), raw.len()),
            );
        }
    }
}

/// A received message.
#[derive(Debug)]
pub struct Received {
    /// Bytes written to the buffer; 0 is the end of the stream.
    pub len: usize,
    /// Descriptors that came along, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// Receives one message and up to `max_fds` descriptors.
///
/// # Errors
/// EMSGSIZE when the message or its descriptors did not fit; what arrived is
/// closed.
pub fn recv(fd: impl AsFd, buffer: &mut [u8], max_fds: usize) -> Result<Received> {
    // SAFETY: CMSG_SPACE only computes a size.
    let space = unsafe { libc::CMSG_SPACE((max_fds.max(1) * size_of::<RawFd>()) as u32) } as usize;
    let mut control = vec![0u8; space];
    let capacity = buffer.len();
    loop {
        let mut iov = [IoSliceMut::new(buffer)];
        let got = socket::recvmsg::<()>(
            fd.as_fd().as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        );
        match got {
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("recvmsg", capacity, errno)),
            Ok(message) => {
                let len = message.bytes;
                let cut = message
                    .flags
                    .intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
                let mut fds = Vec::new();
                for item in named(message.cmsgs(), "recvmsg", capacity)? {
                    if let ControlMessageOwned::ScmRights(raw) = item {
                        // SAFETY: the kernel installed these descriptors for us just now.
                        fds.extend(
                            raw.into_iter()
                                .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                        );
                    }
                }
                if cut {
                    return Err(Error::new("recvmsg", capacity, nix::errno::Errno::EMSGSIZE));
                }
                return Ok(Received { len, fds });
            }
        }
    }
}

/// `shutdown(2)` with SHUT_WR: the peer reads to the end of what was written.
///
/// # Errors
/// ENOTCONN when the peer is gone.
pub fn shut_down_writing(fd: impl AsFd) -> Result<()> {
    let done = socket::shutdown(fd.as_fd().as_raw_fd(), socket::Shutdown::Write);
    named(done, "shutdown", "SHUT_WR")
}

/// Who holds the other end of a unix socket, as the kernel noted when it was
/// connected or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id, in our pid namespace.
    pub pid: i32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// SO_PEERCRED of a connected unix socket.
pub fn peer_credentials(fd: impl AsFd) -> Result<PeerCredentials> {
    let cred = socket::getsockopt(&fd, socket::sockopt::PeerCredentials);
    let cred = named(cred, "getsockopt", "SO_PEERCRED")?;
    Ok(PeerCredentials {
        pid: cred.pid(),
        uid: cred.uid(),
        gid: cred.gid(),
    })
}

/// Sets SO_SNDBUF and SO_RCVBUF, bytes; the kernel caps them.
pub fn set_buffers(fd: impl AsFd, bytes: usize) -> Result<()> {
    named(
        socket::setsockopt(&fd, socket::sockopt::SndBuf, &bytes),
        "setsockopt",
        "SO_SNDBUF",
    )?;
    named(
        socket::setsockopt(&fd, socket::sockopt::RcvBuf, &bytes),
        "setsockopt",
        "SO_RCVBUF",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn messages_keep_their_borders_and_bring_descriptors() {
        let (a, b) = seqpacket_pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(&a, b"one", &[writer.as_fd()]).unwrap();
        send(&a, b"two", &[]).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let first = recv(&b, &mut buffer, 4).unwrap();
        assert_eq!((&buffer[..first.len], first.fds.len()), (&b"one"[..], 1));
        std::fs::File::from(first.fds.into_iter().next().unwrap())
            .write_all(b"hi")
            .unwrap();
        let second = recv(&b, &mut buffer, 4).unwrap();
        assert_eq!((&buffer[..second.len], second.fds.len()), (&b"two"[..], 0));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
        drop(a);
        assert_eq!(recv(&b, &mut buffer, 4).unwrap().len, 0);
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error() {
        let (a, b) = seqpacket_pair().unwrap();
        send(&a, b"too long", &[]).unwrap();
        assert_eq!(
            recv(&b, &mut [0; 3], 0).unwrap_err().errno(),
            libc::EMSGSIZE
        );
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (a, _b) = stream_pair().unwrap();
        let peer = peer_credentials(&a).unwrap();
        assert_eq!(peer.pid, std::process::id() as i32);
    }
}
