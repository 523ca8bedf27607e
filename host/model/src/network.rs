//! What a network driver decides: links, addresses, routes and packet-filter
//! entries for one endpoint.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An interface name: 1 to 15 bytes of `[A-Za-z0-9_.-]` (IFNAMSIZ is 16 with
/// the terminating NUL).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IfName(String);

impl IfName {
    /// Checks `text`.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits =
            (1..=15).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.');
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address with its prefix length, such as `172.17.0.1/16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    /// The address; host bits are kept.
    pub addr: IpAddr,
    /// 0 to 32, or to 128.
    pub prefix: u8,
}

/// The text is not an address with a prefix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "invalid CIDR address {0:?}: expected an address and a prefix length, such as 172.17.0.1/16"
)]
pub struct InvalidCidr(pub String);

impl Cidr {
    /// The address with its host bits cleared.
    pub fn network(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(a) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(a) & mask))
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V6((u128::from(a) & mask).into())
            }
        }
    }

    /// Whether `other` lies in this network.
    pub fn contains(&self, other: IpAddr) -> bool {
        Cidr {
            addr: other,
            prefix: self.prefix,
        }
        .network()
            == self.network()
            && other.is_ipv4() == self.addr.is_ipv4()
    }

    /// Whether the two networks share an address.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let parse = || {
            let (addr, prefix) = text.split_once('/')?;
            let addr: IpAddr = addr.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if addr.is_ipv4() { 32 } else { 128 }).then_some(Cidr { addr, prefix })
        };
        parse().ok_or_else(|| InvalidCidr(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// A transport protocol that a port can be published for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// IPPROTO_TCP
    Tcp,
    /// IPPROTO_UDP
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// One `-p`: a host port forwarded into the container.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PortMapping {
    /// The protocol.
    pub protocol: Protocol,
    /// The host address; 0.0.0.0 is all.
    pub host_addr: Ipv4Addr,
    /// The host port; 0 asks for a free one (the engine replaces it before a driver sees it).
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// The settings of one network, given to its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The network's name, such as `bridge`.
    pub name: String,
    /// The host interface this network may make and use; none for `host` and `none`.
    pub interface: Option<IfName>,
    /// The gateway address with the subnet's prefix, for networks with a pool.
    pub gateway: Option<Cidr>,
    /// Link MTU.
    pub mtu: u32,
}

/// A request to connect one container.
#[derive(Clone, Debug)]
pub struct EndpointRequest {
    /// The network.
    pub network: NetworkConfig,
    /// The endpoint's id: the container's id.
    pub endpoint: String,
    /// Ports to publish; every host port is set.
    pub ports: Vec<PortMapping>,
}

/// The address at which a container finds the names of its networks, as in
/// Docker; it is one of its own loopback.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The resolver's sockets, made inside a container's network namespace.
/// What its processes send to port 53 of [`RESOLVER`] comes to these.
#[derive(Debug)]
pub struct ResolverSockets {
    /// Bound to a port of [`RESOLVER`] that was free.
    pub udp: std::net::UdpSocket,
    /// Bound to one too, and listening.
    pub tcp: std::net::TcpListener,
    /// The namespace they are in.
    pub namespace: std::os::fd::OwnedFd,
}

/// Which network namespace the container gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkNamespace {
    /// A new one, loopback up.
    #[default]
    Private,
    /// The host's.
    Host,
}

/// One effect. Executed in order, each with its undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkStep {
    /// The network's bridge exists, is up and has this address. Kept when the
    /// endpoint goes.
    Bridge {
        /// The network's interface.
        name: IfName,
        /// The gateway address.
        addr: Cidr,
    },
    /// Nothing is forwarded between the bridge and any other interface. The
    /// host orders it for internal networks, whatever their driver decided.
    Isolate {
        /// The network's interface.
        bridge: IfName,
    },
    /// A veth pair with one end in the container's namespace.
    Veth {
        /// The name inside, such as `eth0`.
        inner: IfName,
        /// The bridge that takes the host end.
        bridge: Option<IfName>,
        /// Link MTU.
        mtu: u32,
    },
    /// An address on an interface inside the container.
    Addr {
        /// The interface inside.
        ifname: IfName,
        /// The address; leased from the network's pool.
        addr: Cidr,
    },
    /// A route inside the container.
    Route {
        /// The destination; 0.0.0.0/0 is the default route.
        dest: Cidr,
        /// The next hop.
        via: Option<IpAddr>,
    },
    /// Traffic from this subnet that leaves by another interface than the
    /// bridge takes the host's address.
    Masquerade {
        /// The subnet.
        source: Cidr,
        /// The network's bridge.
        bridge: IfName,
    },
    /// Sockets of a resolver at [`RESOLVER`] in the container's namespace. The
    /// host orders them for containers whose networks have names.
    Resolver,
    /// A host port forwarded to an address of this endpoint.
    Publish {
        /// The mapping.
        mapping: PortMapping,
        /// The container's address.
        to: Ipv4Addr,
        /// The network's bridge.
        bridge: IfName,
    },
}

/// What the driver decided for one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// The namespace to run in.
    pub namespace: NetworkNamespace,
    /// Effects, in order.
    pub steps: Vec<NetworkStep>,
    /// Addresses leased for this endpoint, out of the network's pool.
    pub leases: Vec<IpAddr>,
}

/// The pool a network's addresses come from; leases made while a call runs
/// are taken back when it fails.
pub trait AddressPool: Send + Sync {
    /// Leases `want`, or the lowest free address; `None` when it is taken or
    /// the pool is empty.
    fn allocate(&self, network: &str, want: Option<IpAddr>) -> Option<IpAddr>;
    /// Gives an address back.
    fn release(&self, network: &str, addr: IpAddr);
}
