//! Host ports: who has them, which are free, and keeping them.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use bulkhead_model::network::{Family, PortMapping, Protocol};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt,
    socket, sockopt,
};

use super::context::NetworkContext;
use super::error::NetworkError;
use super::firewall::Published;

/// The range Docker allocates from: Linux' ephemeral ports
/// (net.ipv4.ip_local_port_range, ip(7)).
pub(super) const FIRST: u16 = 32768;
pub(super) const LAST: u16 = 60999;

/// A socket bound to a published port. While it is open, no process of the
/// host can take the port.
#[derive(Debug)]
pub struct PortReservation(OwnedFd);

impl PortReservation {
    /// The socket, to be handed to the process that outlives the daemon.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Binds the port, and listens on it: a TCP port that is merely bound can
    /// be bound again by a process that sets SO_REUSEADDR, as most servers do.
    /// SCTP, which no socket of Rust's speaks, is not reserved.
    pub(super) fn take(mapping: &PortMapping) -> Result<Option<Self>, NetworkError> {
        let kind = match mapping.protocol {
            Protocol::Tcp => SockType::Stream,
            Protocol::Udp => SockType::Datagram,
            Protocol::Sctp => return Ok(None),
        };
        let taken = reserve(kind, SocketAddr::new(mapping.host_addr, mapping.host_port));
        taken
            .map(|socket| Some(Self(socket)))
            .map_err(|errno| NetworkError::PortUnavailable {
                protocol: mapping.protocol,
                addr: SocketAddr::new(mapping.host_addr, mapping.host_port),
                reason: errno.desc().to_lowercase(),
                kind: io::Error::from(errno).kind(),
            })
    }
}

/// A TCP port in TIME_WAIT is free (SO_REUSEADDR), and one of IPv6 leaves that
/// of IPv4 alone (ipv6(7)).
fn reserve(kind: SockType, addr: SocketAddr) -> nix::Result<OwnedFd> {
    let family = match addr {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if kind == SockType::Stream {
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    match addr {
        SocketAddr::V4(v4) => bind(socket.as_raw_fd(), &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => {
            setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
            bind(
                socket.as_raw_fd(),
                &SockaddrIn6::from(SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0)),
            )?;
        }
    }
    if kind == SockType::Stream {
        listen(&socket, Backlog::new(1)?)?;
    }
    Ok(socket)
}

/// A host port in 32768 to 60999 that neither a container nor a process has.
/// Nothing keeps it free until [`attach`](super::attach) publishes it; calls
/// go through the range in turn, so that two callers do not get the same one.
pub fn free_port(
    protocol: Protocol,
    addr: IpAddr,
    context: &NetworkContext,
) -> Result<u16, NetworkError> {
    let taken = context.firewall(Family::of(addr)).published()?;
    for _ in FIRST..=LAST {
        let port = context.next_port();
        let published =
            |p: &Published| p.mapping.host_port == port && p.mapping.protocol == protocol;
        let mapping = PortMapping {
            protocol,
            host_addr: addr,
            host_port: port,
            container_port: port,
            count: 1,
        };
        if !taken.iter().any(published) && PortReservation::take(&mapping).is_ok() {
            return Ok(port);
        }
    }
    Err(NetworkError::NoFreePort { protocol, addr })
}

/// Every port this daemon's table forwards, with the endpoint it belongs to:
/// after a crash, what recovery compares with the containers that run.
pub fn published(context: &NetworkContext) -> Result<Vec<Published>, NetworkError> {
    let mut all = context.firewall(Family::V4).published()?;
    all.extend(context.firewall(Family::V6).published()?);
    Ok(all)
}

/// The endpoints that have published ports, whether they run or not.
pub fn endpoints(context: &NetworkContext) -> Result<Vec<String>, NetworkError> {
    let mut all = context.firewall(Family::V4).endpoints()?;
    all.extend(context.firewall(Family::V6).endpoints()?);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
