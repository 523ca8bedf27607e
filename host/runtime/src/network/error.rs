//! What can go wrong while an endpoint is connected.

use std::net::{IpAddr, SocketAddr};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::network::{Cidr, Protocol};
use bulkhead_sys as sys;

/// A step of a network plan failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The netlink or netfilter socket could not be opened.
    #[error("cannot open a network configuration socket")]
    Socket(#[source] sys::Error),
    /// No network namespace could be made.
    #[error("cannot make a network namespace")]
    Namespace(#[source] sys::Error),
    /// The container's resolver has no sockets.
    #[error("cannot listen for names at 127.0.0.11:53 of the container")]
    Resolver(#[source] std::io::Error),
    /// The plan orders links for a container that has the host's network.
    #[error("the plan orders {0} inside the host's network namespace")]
    HostNamespace(&'static str),
    /// Links could not be read.
    #[error("cannot read the host's links, addresses and routes")]
    Inspect(#[source] sys::Error),
    /// The network's bridge could not be made or set up.
    #[error("cannot set up bridge {name}")]
    Bridge {
        /// The interface.
        name: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// The network's interface exists and is something else.
    #[error("interface {name} exists and is not a bridge but {kind:?}")]
    NotABridge {
        /// The interface.
        name: String,
        /// The kind of link it is; empty for a physical device.
        kind: String,
    },
    /// The network's bridge exists with another address.
    #[error("bridge {name} has the address {found} instead of {wanted}")]
    BridgeAddress {
        /// The interface.
        name: String,
        /// What it has.
        found: Cidr,
        /// What the network needs.
        wanted: Cidr,
    },
    /// A plan names a bridge that does not exist.
    #[error("no such bridge: {0}")]
    NoSuchBridge(String),
    /// A kernel setting could not be changed.
    #[error("cannot set {path} to {value}")]
    Sysctl {
        /// The file below /proc/sys.
        path: String,
        /// The value.
        value: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The pair of interfaces could not be made.
    #[error("cannot connect the container by {name}")]
    Veth {
        /// The host's end.
        name: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// A plan names an interface that no earlier step made.
    #[error("no such interface in the container: {0}")]
    NoSuchInterface(String),
    /// An address or a route inside could not be set.
    #[error("cannot configure {what} in the container")]
    Configure {
        /// The address or route.
        what: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// The kernel cannot make such links.
    #[error("this kernel has no {0} links (the module {0} is missing)")]
    NoSuchLinkKind(&'static str),
    /// The interface that containers are to share is not there.
    #[error("the parent interface {0} was not found on this host")]
    NoSuchParent(String),
    /// The interface that containers are to share cannot be.
    #[error("cannot share interface {name}")]
    Parent {
        /// The interface.
        name: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// The packet filter refused a change.
    #[error("cannot change packet filter table {table}")]
    Filter {
        /// The table.
        table: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// The kernel lacks a part of nf_tables; the source names the modules.
    #[error("this kernel lacks a packet filter feature that table {table} needs")]
    FilterUnsupported {
        /// The table.
        table: String,
        /// The call that failed.
        source: sys::Error,
    },
    /// Another endpoint has the port; Docker's words.
    #[error("Bind for {0} failed: port is already allocated")]
    PortAllocated(SocketAddr),
    /// The host refuses the port, most often because a process listens there;
    /// Docker's words.
    #[error("listen {}{} {addr}: bind: {reason}", .protocol.as_str(), if .addr.is_ipv4() { 4 } else { 6 })]
    PortUnavailable {
        /// The protocol.
        protocol: Protocol,
        /// The host address and port.
        addr: SocketAddr,
        /// The kernel's reason in lower case.
        reason: String,
        /// Its kind.
        kind: std::io::ErrorKind,
    },
    /// Every ephemeral port is taken.
    #[error("no free {} port on {addr}", .protocol.as_str())]
    NoFreePort {
        /// The protocol.
        protocol: Protocol,
        /// The host address.
        addr: IpAddr,
    },
    /// Every default pool overlaps something.
    #[error(
        "could not find an available, non-overlapping address pool among the defaults to assign to the network"
    )]
    NoFreeSubnet,
    /// A step failed, and so did taking back earlier ones.
    #[error("{} (and {} of its effects could not be undone: {})", .step, .undo.len(), join(.undo))]
    Undo {
        /// What failed first.
        #[source]
        step: Box<NetworkError>,
        /// What could not be taken back.
        undo: Vec<NetworkError>,
    },
}

fn join(errors: &[NetworkError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Kind for NetworkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::PortAllocated(_) => ErrorKind::Conflict,
            Self::PortUnavailable { kind, .. } => match kind {
                std::io::ErrorKind::AddrInUse => ErrorKind::Conflict,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
                _ => ErrorKind::InvalidArgument,
            },
            Self::NotABridge { .. } | Self::BridgeAddress { .. } => ErrorKind::Conflict,
            Self::NoFreePort { .. } | Self::NoFreeSubnet => ErrorKind::ResourceExhausted,
            Self::FilterUnsupported { .. } | Self::NoSuchLinkKind(_) => ErrorKind::Unsupported,
            Self::NoSuchBridge(_)
            | Self::NoSuchInterface(_)
            | Self::NoSuchParent(_)
            | Self::HostNamespace(_) => ErrorKind::InvalidArgument,
            Self::Undo { step, .. } => step.kind(),
            _ => ErrorKind::Internal,
        }
    }
}
