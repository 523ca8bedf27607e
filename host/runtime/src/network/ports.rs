//! Host ports: who has them, which are free, and keeping them.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use bulkhead_model::network::{PortMapping, Protocol};

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
    pub(super) fn take(mapping: &PortMapping) -> Result<Self, NetworkError> {
        let addr = SocketAddrV4::new(mapping.host_addr, mapping.host_port);
        let socket = match mapping.protocol {
            Protocol::Tcp => TcpListener::bind(addr).map(OwnedFd::from),
            Protocol::Udp => UdpSocket::bind(addr).map(OwnedFd::from),
        };
        socket
            .map(Self)
            .map_err(|error| NetworkError::PortUnavailable {
                protocol: mapping.protocol,
                addr: mapping.host_addr,
                port: mapping.host_port,
                reason: reason(&error),
                kind: error.kind(),
            })
    }
}

/// A host port in 32768 to 60999 that neither a container nor a process has.
/// Nothing keeps it free until [`attach`](super::attach) publishes it; calls
/// go through the range in turn, so that two callers do not get the same one.
pub fn free_port(
    protocol: Protocol,
    addr: Ipv4Addr,
    context: &NetworkContext,
) -> Result<u16, NetworkError> {
    let taken = context.firewall().published()?;
    for _ in FIRST..=LAST {
        let port = context.next_port();
        let published =
            |p: &Published| p.mapping.host_port == port && p.mapping.protocol == protocol;
        let mapping = PortMapping {
            protocol,
            host_addr: addr,
            host_port: port,
            container_port: port,
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
    context.firewall().published()
}

/// The endpoints that have published ports, whether they run or not.
pub fn endpoints(context: &NetworkContext) -> Result<Vec<String>, NetworkError> {
    context.firewall().endpoints()
}

/// The kernel's words as Go, and so Docker, writes them.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_lowercase(),
        None => error.to_string(),
    }
}
