//! The sockets of a container's resolver. They are there before its first
//! process is, so that its first question waits and is not refused.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::BorrowedFd;

use bulkhead_model::network::{RESOLVER, ResolverSockets};
use bulkhead_sys::netlink::in_namespace;

use super::error::NetworkError;

/// RFC 1035 section 4.2.
const PORT: u16 = 53;

/// Opens them in `namespace`; a socket stays in the namespace it was made in,
/// whoever reads it.
pub fn sockets(namespace: BorrowedFd<'_>) -> Result<ResolverSockets, NetworkError> {
    let open = || -> io::Result<ResolverSockets> {
        Ok(ResolverSockets {
            udp: UdpSocket::bind((RESOLVER, PORT))?,
            tcp: TcpListener::bind((RESOLVER, PORT))?,
        })
    };
    in_namespace(namespace, open)
        .map_err(NetworkError::Namespace)?
        .map_err(NetworkError::Resolver)
}
