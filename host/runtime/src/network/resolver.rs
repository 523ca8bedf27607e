//! The sockets of a container's resolver. They are there before its first
//! process is, so that its first question waits and is not refused.
//!
//! They have ports of their own, so that a process of the container can serve
//! port 53. A table in the container's namespace exchanges the ports on the
//! way there and back. It tracks no connections: they would cost every
//! packet of the container something, and outlive a daemon that was killed.
//!
//! ```text
//! table ip bulkhead-resolver {
//!   chain questions { type filter hook output priority -300
//!                     ip daddr 127.0.0.11 udp dport 53 udp dport set 40001
//!                     ip daddr 127.0.0.11 tcp dport 53 tcp dport set 40002 }
//!   chain answers   { type filter hook postrouting priority 300
//!                     ip saddr 127.0.0.11 udp sport 40001 udp sport set 53
//!                     ip saddr 127.0.0.11 tcp sport 40002 tcp sport set 53 }
//! }
//! ```
//!
//! Both chains sit outside conntrack (-200), which, where a container makes
//! use of it, sees both directions with the same ports.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::BorrowedFd;

use bulkhead_model::network::{RESOLVER, ResolverSockets};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::in_namespace;
use bulkhead_sys::nft::{
    BaseChain, Batch, ChainType, Expression, FilterSocket, Hook, PayloadBase, Register,
};

use super::error::NetworkError;

const TABLE: &str = "bulkhead-resolver";
/// RFC 1035 section 4.2.
const PORT: u16 = 53;

const R0: Register = Register::new(0);

/// Opens them in `namespace`; a socket stays in the namespace it was made in,
/// whoever reads it. Questions come to these from now on and no more to those
/// of an earlier daemon.
pub fn sockets(namespace: BorrowedFd<'_>) -> Result<ResolverSockets, NetworkError> {
    in_namespace(namespace, open).map_err(NetworkError::Namespace)?
}

fn open() -> Result<ResolverSockets, NetworkError> {
    let udp = UdpSocket::bind((RESOLVER, 0)).map_err(NetworkError::Resolver)?;
    let tcp = TcpListener::bind((RESOLVER, 0)).map_err(NetworkError::Resolver)?;
    let port = |addr: std::io::Result<std::net::SocketAddr>| addr.map(|a| a.port());
    let udp_port = port(udp.local_addr()).map_err(NetworkError::Resolver)?;
    let tcp_port = port(tcp.local_addr()).map_err(NetworkError::Resolver)?;
    exchange_ports(udp_port, tcp_port).map_err(|source| NetworkError::Filter {
        table: TABLE.to_owned(),
        source,
    })?;
    let own = "/proc/thread-self/ns/net";
    let namespace = File::open(own).map_err(NetworkError::Resolver)?.into();
    Ok(ResolverSockets {
        udp,
        tcp,
        namespace,
    })
}

fn exchange_ports(udp: u16, tcp: u16) -> Result<(), sys::Error> {
    let mut filter = FilterSocket::open()?;
    let mut batch = filter.batch(TABLE);
    batch.delete_table().table();
    for (name, hook, priority) in [
        ("questions", Hook::Output, -300),
        ("answers", Hook::Postrouting, 300),
    ] {
        batch.base_chain(&BaseChain {
            name,
            kind: ChainType::Filter,
            hook,
            priority,
        });
    }
    for (protocol, port) in [(UDP, udp), (TCP, tcp)] {
        rewrite(&mut batch, &protocol, Direction::Question, port);
        rewrite(&mut batch, &protocol, Direction::Answer, port);
    }
    filter.commit(batch)
}

struct Layer4 {
    number: u8,
    /// Where its header has the checksum.
    checksum: u32,
}

/// RFC 768
const UDP: Layer4 = Layer4 {
    number: 17,
    checksum: 6,
};
/// RFC 9293 section 3.1
const TCP: Layer4 = Layer4 {
    number: 6,
    checksum: 16,
};

enum Direction {
    Question,
    Answer,
}

fn rewrite(batch: &mut Batch, protocol: &Layer4, direction: Direction, own: u16) {
    // Offsets in the headers of IPv4 (RFC 791) and of both protocols.
    let (chain, address, offset, from, to) = match direction {
        Direction::Question => ("questions", 16, 2, PORT, own),
        Direction::Answer => ("answers", 12, 0, own, PORT),
    };
    let field = |base, offset, len| Expression::Payload {
        base,
        offset,
        len,
        to: R0,
    };
    batch.rule(
        chain,
        &[
            field(PayloadBase::Network, address, 4),
            Expression::Equal(R0, &RESOLVER.octets()),
            Expression::Layer4Protocol(R0),
            Expression::Equal(R0, &[protocol.number]),
            field(PayloadBase::Transport, offset, 2),
            Expression::Equal(R0, &from.to_be_bytes()),
            Expression::Load(R0, &to.to_be_bytes()),
            Expression::WritePort {
                offset,
                from: R0,
                checksum: protocol.checksum,
            },
        ],
    );
}
