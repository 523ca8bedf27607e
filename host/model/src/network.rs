//! What a network driver decides: links, addresses, routes and packet-filter
//! entries for one endpoint.

mod cidr;
mod mac;
mod port;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

pub use cidr::{Cidr, DefaultPool, Family, InvalidCidr};
pub use mac::{InvalidMac, MacAddr};
pub use port::{PortMapping, Protocol};

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

/// The settings of one network, given to its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The network's name, such as `bridge`.
    pub name: String,
    /// The host interface this network may make and use; none for `host` and `none`.
    pub interface: Option<IfName>,
    /// Each subnet's gateway address with the subnet's prefix; none for
    /// networks without addresses.
    pub gateways: Vec<Cidr>,
    /// Link MTU.
    pub mtu: u32,
    /// The driver's options as the user gave them.
    pub options: Vec<(String, String)>,
}

impl NetworkConfig {
    /// The first gateway of a family.
    pub fn gateway(&self, family: Family) -> Option<Cidr> {
        let mut gateways = self.gateways.iter();
        gateways.find(|g| g.family() == family).copied()
    }
}

/// A request to connect one container.
#[derive(Clone, Debug)]
pub struct EndpointRequest {
    /// The network.
    pub network: NetworkConfig,
    /// The endpoint's id: the container's id.
    pub endpoint: String,
    /// The hardware address that the user chose.
    pub mac: Option<MacAddr>,
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
    /// The network's bridge exists, is up and has these addresses. Kept when
    /// the endpoint goes.
    Bridge {
        /// The network's interface.
        name: IfName,
        /// The gateways' addresses.
        addrs: Vec<Cidr>,
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
        /// The hardware address inside; it follows from the first address
        /// when absent.
        mac: Option<MacAddr>,
        /// The bridge forwards nothing between this end and others that are
        /// isolated, too.
        isolated: bool,
    },
    /// An interface inside that shares one of the host's. A parent that is
    /// missing is made and kept when the endpoint goes: a VLAN where the name
    /// says so (`eth0.10`), a dummy where it is the network's own (`dm-…`).
    SubLink {
        /// The name inside.
        inner: IfName,
        /// The network's interface.
        parent: IfName,
        /// How it shares it.
        kind: SubLink,
        /// Link MTU; the parent's is the most it can be.
        mtu: u32,
        /// The hardware address inside, as for a pair.
        mac: Option<MacAddr>,
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
        /// The container's address, of the host address' family.
        to: IpAddr,
        /// The network's bridge.
        bridge: IfName,
    },
}

impl NetworkStep {
    /// The name inside of the link that the step makes.
    pub fn link(&self) -> Option<&IfName> {
        match self {
            NetworkStep::Veth { inner, .. } | NetworkStep::SubLink { inner, .. } => Some(inner),
            _ => None,
        }
    }
}

/// How an interface shares its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubLink {
    /// A hardware address of its own (macvlan).
    Macvlan(MacvlanMode),
    /// The parent's hardware address (ipvlan).
    Ipvlan(IpvlanMode, IpvlanFlag),
}

/// Whom a macvlan reaches on its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MacvlanMode {
    /// Its siblings.
    Bridge,
    /// Its siblings by way of the switch outside.
    Vepa,
    /// No sibling.
    Private,
    /// It is alone.
    Passthru,
}

/// At which layer an ipvlan forwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpvlanMode {
    /// By hardware address.
    L2,
    /// By the host's routes.
    L3,
    /// By the host's routes, with its packet filter.
    L3s,
}

/// Whom an ipvlan reaches on its parent, as for a macvlan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpvlanFlag {
    /// Its siblings.
    Bridge,
    /// No sibling.
    Private,
    /// Its siblings by way of the switch outside.
    Vepa,
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

/// The pools a network's addresses come from; leases made while a call runs
/// are taken back when it fails.
pub trait AddressPool: Send + Sync {
    /// Leases an address of a subnet: the one chosen for this endpoint, or the
    /// lowest free. `None` when it is taken or the subnet has no free address.
    fn allocate(&self, network: &str, subnet: &Cidr) -> Option<IpAddr>;
    /// Gives an address back.
    fn release(&self, network: &str, addr: IpAddr);
}
