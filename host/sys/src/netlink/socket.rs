//! A netlink socket: requests with their acknowledgements, and dumps.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, sockopt,
};
use nix::sys::time::TimeVal;

use super::attribute::{attributes, text, u16_at, u32_at};
use super::message::{Encoder, HEADER};
use crate::error::{Error, Result, check, named};

/// The kernel answers within `send`; this is far beyond any wait for the RTNL
/// lock that a working machine shows.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The kernel sizes dump messages by the receive buffer offered, 32 KiB at most.
const RECEIVE: usize = 32 * 1024;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// One message from the kernel that is not an acknowledgement.
pub(crate) struct Reply {
    /// `nlmsg_type`
    pub(crate) kind: u16,
    /// What follows the header.
    pub(crate) payload: Vec<u8>,
}

/// What the kernel said about one request.
struct Acknowledgement {
    sequence: u32,
    errno: i32,
    /// The extended acknowledgement's text, often empty.
    reason: String,
}

enum Received {
    Reply(Reply),
    Acknowledged(Acknowledgement),
    Done,
}

/// A socket of one netlink protocol.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open(protocol: SockProtocol) -> Result<Self> {
        let call = "socket";
        let arguments = || format!("AF_NETLINK, {protocol:?}");
        let fd = named(
            nix::sys::socket::socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                protocol,
            ),
            call,
            arguments(),
        )?;
        let timeout = TimeVal::new(TIMEOUT.as_secs().cast_signed(), 0);
        named(
            setsockopt(&fd, sockopt::ReceiveTimeout, &timeout),
            "setsockopt",
            "SO_RCVTIMEO",
        )?;
        named(
            setsockopt(&fd, sockopt::SendTimeout, &timeout),
            "setsockopt",
            "SO_SNDTIMEO",
        )?;
        enable(&fd, libc::NETLINK_EXT_ACK, "NETLINK_EXT_ACK")?;
        enable(&fd, libc::NETLINK_CAP_ACK, "NETLINK_CAP_ACK")?;
        Ok(Self {
            fd,
            sequence: 1,
            buffer: vec![0; RECEIVE],
        })
    }

    /// Receives what is told to a group of listeners (netlink(7)).
    pub(crate) fn listen_to(&self, group: libc::c_int) -> Result<()> {
        // A socket that never sent has port 0, from which the kernel's own
        // messages come, and nobody hears himself.
        let own = NetlinkAddr::new(0, 0);
        named(bind(self.fd.as_raw_fd(), &own), "bind", "a netlink port")?;
        set(
            &self.fd,
            libc::NETLINK_ADD_MEMBERSHIP,
            group,
            "NETLINK_ADD_MEMBERSHIP",
        )
    }

    /// Waits until a group is told something.
    pub(crate) fn heard(&mut self) -> Result<()> {
        self.receive(MsgFlags::empty(), "recv", &|| "a netlink group".to_owned())
            .map(drop)
    }

    /// [`Socket::open`] for transactions of thousands of parts: the kernel takes
    /// no message that is larger than the send buffer.
    pub(crate) fn open_large(protocol: SockProtocol) -> Result<Self> {
        const LARGEST_TRANSACTION: usize = 16 << 20;
        let socket = Self::open(protocol)?;
        // Refused to a process without CAP_NET_ADMIN in the first user
        // namespace, which makes smaller ones.
        let _ = setsockopt(&socket.fd, sockopt::SndBufForce, &LARGEST_TRANSACTION);
        Ok(socket)
    }

    /// An encoder for this socket's next messages.
    pub(crate) fn encoder(&self) -> Encoder {
        Encoder::new(self.sequence)
    }

    /// Sends messages that all ask for an acknowledgement and returns the
    /// replies. The first refusal is the error; `arguments` says what was asked.
    pub(crate) fn request(
        &mut self,
        encoder: &Encoder,
        call: &'static str,
        arguments: impl Fn() -> String,
    ) -> Result<Vec<Reply>> {
        let last = self.send(encoder, call, &arguments)?;
        let mut replies = Vec::new();
        let mut refused = None;
        loop {
            for received in self.receive(MsgFlags::empty(), call, &arguments)? {
                let acknowledged = match received {
                    Received::Reply(reply) => {
                        replies.push(reply);
                        continue;
                    }
                    Received::Acknowledged(acknowledged) => acknowledged,
                    Received::Done => continue,
                };
                let sequence = acknowledged.sequence;
                if acknowledged.errno != 0 && refused.is_none() {
                    refused = Some(acknowledged);
                }
                if sequence == last {
                    return match refused {
                        None => Ok(replies),
                        Some(refusal) => Err(refusal.into_error(call, &arguments)),
                    };
                }
            }
        }
    }

    /// Sends a dump request and returns every message of the answer.
    pub(crate) fn dump(
        &mut self,
        encoder: &Encoder,
        call: &'static str,
        arguments: impl Fn() -> String,
    ) -> Result<Vec<Reply>> {
        self.send(encoder, call, &arguments)?;
        let mut replies = Vec::new();
        loop {
            for received in self.receive(MsgFlags::empty(), call, &arguments)? {
                match received {
                    Received::Reply(reply) => replies.push(reply),
                    Received::Done => return Ok(replies),
                    Received::Acknowledged(ack) if ack.errno != 0 => {
                        return Err(ack.into_error(call, &arguments));
                    }
                    Received::Acknowledged(_) => {}
                }
            }
        }
    }

    /// Sends a transaction of which only refusals are answered; all of them are
    /// queued when `send` returns. `arguments` describes the message refused
    /// first by its index.
    pub(crate) fn transaction(
        &mut self,
        encoder: &Encoder,
        call: &'static str,
        arguments: impl Fn(usize) -> String,
    ) -> Result<()> {
        self.send(encoder, call, &|| arguments(usize::MAX))?;
        let mut refused: Option<Acknowledgement> = None;
        loop {
            let received =
                match self.receive(MsgFlags::MSG_DONTWAIT, call, &|| arguments(usize::MAX)) {
                    Ok(received) => received,
                    Err(error) if error.errno() == libc::EAGAIN => break,
                    Err(error) => return Err(error),
                };
            for received in received {
                if let Received::Acknowledged(ack) = received
                    && ack.errno != 0
                    && refused.is_none()
                {
                    refused = Some(ack);
                }
            }
        }
        match refused {
            None => Ok(()),
            Some(refusal) => {
                let index = refusal.sequence.wrapping_sub(encoder.first_sequence()) as usize;
                Err(refusal.into_error(call, &|| arguments(index)))
            }
        }
    }

    /// Sends the buffer and returns its last sequence number.
    fn send(
        &mut self,
        encoder: &Encoder,
        call: &'static str,
        arguments: &impl Fn() -> String,
    ) -> Result<u32> {
        self.drain(call)?;
        self.sequence = encoder.next_sequence();
        let result = send(self.fd.as_raw_fd(), encoder.bytes(), MsgFlags::empty());
        result.map_err(|errno| Error::new(call, arguments(), errno))?;
        Ok(self.sequence.wrapping_sub(1))
    }

    /// Throws away what an earlier call that failed midway left unread.
    fn drain(&mut self, call: &'static str) -> Result<()> {
        loop {
            match recv(
                self.fd.as_raw_fd(),
                &mut self.buffer,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(_) => {}
                Err(nix::errno::Errno::EAGAIN) => return Ok(()),
                Err(nix::errno::Errno::ENOBUFS | nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(Error::new(call, "drain", errno)),
            }
        }
    }

    /// Receives one datagram, which may hold many messages.
    fn receive(
        &mut self,
        flags: MsgFlags,
        call: &'static str,
        arguments: &impl Fn() -> String,
    ) -> Result<Vec<Received>> {
        let length = loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, flags) {
                Err(nix::errno::Errno::EINTR) => {}
                other => break named(other, call, arguments())?,
            }
        };
        Ok(parse(&self.buffer[..length]))
    }
}

impl Acknowledgement {
    fn into_error(self, call: &'static str, arguments: &impl Fn() -> String) -> Error {
        let mut said = arguments();
        if !self.reason.is_empty() {
            said.push_str("; kernel says: ");
            said.push_str(&self.reason);
        }
        Error::new(call, said, io::Error::from_raw_os_error(self.errno))
    }
}

/// Splits a datagram into its messages.
fn parse(mut bytes: &[u8]) -> Vec<Received> {
    let mut all = Vec::new();
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let Some(payload) = bytes.get(HEADER..length as usize) else {
            break;
        };
        all.push(match kind {
            NLMSG_ERROR => Received::Acknowledged(acknowledgement(bytes, payload)),
            NLMSG_DONE => Received::Done,
            _ => Received::Reply(Reply {
                kind,
                payload: payload.to_vec(),
            }),
        });
        let next = (length as usize).next_multiple_of(4);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    all
}

/// `nlmsgerr`: the errno negated, the request's header and, because the socket
/// has NETLINK_CAP_ACK, no payload of it before the attributes.
fn acknowledgement(message: &[u8], payload: &[u8]) -> Acknowledgement {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let reason = attributes(payload.get(4 + HEADER..).unwrap_or_default())
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, value)| text(value));
    Acknowledgement {
        sequence: u32_at(message, 8).unwrap_or_default(),
        errno: u32_at(payload, 0).map_or(libc::EPROTO, |e| e.cast_signed().wrapping_neg()),
        reason: reason.unwrap_or_default(),
    }
}

/// Switches an option of SOL_NETLINK on.
fn enable(fd: &OwnedFd, option: libc::c_int, name: &'static str) -> Result<()> {
    set(fd, option, 1, name)
}

fn set(fd: &OwnedFd, option: libc::c_int, value: libc::c_int, name: &'static str) -> Result<()> {
    // SAFETY: `value` lives through the call and its size is passed; the descriptor is open.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    check(result.into(), "setsockopt", name).map(drop)
}

/// An rtnetlink socket (rtnetlink(7)) of one network namespace.
#[derive(Debug)]
pub struct RouteSocket(pub(super) Socket);

impl RouteSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self> {
        Socket::open(SockProtocol::NetlinkRoute).map(Self)
    }
}
