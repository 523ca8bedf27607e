//! World `network`: order the links, addresses, routes and published ports of
//! one endpoint.

use std::net::IpAddr;

use crate::{Error, Result};

mod cidr;
mod export;
pub use cidr::Cidr;
pub use export::Export;

/// A transport protocol that a port can be published for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IPPROTO_TCP
    Tcp,
    /// IPPROTO_UDP
    Udp,
    /// IPPROTO_SCTP
    Sctp,
}

impl Protocol {
    /// Reads the word the contract uses.
    ///
    /// # Errors
    /// `unsupported` for a protocol of a newer host.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            "sctp" => Ok(Protocol::Sctp),
            other => Err(Error::unsupported(format!(
                "publishing {other:?} ports is not supported"
            ))),
        }
    }

    /// `tcp`, `udp` or `sctp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

/// Ports the user published, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address; 0.0.0.0 is all of IPv4, :: all of IPv6.
    pub host_address: IpAddr,
    /// The host's first port.
    pub host_port: u16,
    /// The container's first port.
    pub container_port: u16,
    /// How many ports.
    pub count: u16,
}

/// Facts about the network and the endpoint, and orders the host carries out
/// together once `attach` returned `Ok`.
pub trait Txn {
    /// The network's name.
    fn network(&self) -> String;
    /// The endpoint's id.
    fn endpoint(&self) -> String;
    /// The host interface that this network may use: its bridge, or the parent
    /// of its containers' interfaces.
    fn interface_name(&self) -> Option<String>;
    /// The driver's options, names and values as the user gave them.
    fn options(&self) -> Vec<(String, String)>;
    /// The gateways' addresses with their subnets' prefixes, such as
    /// 172.17.0.1/16: at most one of each family, IPv4 first.
    ///
    /// # Errors
    /// `invalid` when the host's text is no such address.
    fn gateways(&self) -> Result<Vec<Cidr>>;
    /// Link MTU, bytes.
    fn mtu(&self) -> u32;
    /// Ports the user published.
    ///
    /// # Errors
    /// `unsupported` for a protocol of a newer host.
    fn ports(&self) -> Result<Vec<PortMapping>>;

    /// Leases an address of a gateway's subnet for this endpoint, with the
    /// subnet's prefix: the one the user chose, or the lowest free.
    ///
    /// # Errors
    /// `exhausted` when no address is free or the chosen one is taken.
    fn lease_address(&self, gateway: Cidr) -> Result<Cidr>;

    /// The container shares the host's network namespace. Excludes every other order.
    fn use_host_namespace(&self) -> Result<()>;
    /// The bridge exists, is up and has these addresses, the gateways'.
    fn bridge(&self, name: &str, addresses: &[Cidr]) -> Result<()>;
    /// A veth pair; the host end joins the bridge.
    fn veth(&self, inner: &str, bridge: Option<&str>, mtu: u32) -> Result<()>;
    /// The bridge forwards nothing between this pair and others that are
    /// isolated, too.
    fn isolate(&self, inner: &str) -> Result<()>;
    /// An interface inside with a hardware address of its own on the network's
    /// interface. `mode` is `bridge`, `vepa`, `private` or `passthru`.
    fn macvlan(&self, inner: &str, parent: &str, mode: &str, mtu: u32) -> Result<()>;
    /// An interface inside that shares the hardware address of the network's
    /// interface. `mode` is `l2`, `l3` or `l3s`, `reach` is `bridge`,
    /// `private` or `vepa`.
    fn ipvlan(&self, inner: &str, parent: &str, mode: &str, reach: &str, mtu: u32) -> Result<()>;
    /// An address inside; it must be leased in this call.
    fn address(&self, interface: &str, address: Cidr) -> Result<()>;
    /// A route inside; without a next hop by the interface made last.
    fn route(&self, destination: Cidr, via: Option<IpAddr>) -> Result<()>;
    /// Traffic of a subnet of the network that leaves the host takes the host's address.
    fn masquerade(&self, source: Cidr) -> Result<()>;
    /// Forwards host ports the user published to a leased address of the host
    /// address' family.
    fn publish(&self, port: &PortMapping, to: IpAddr) -> Result<()>;

    /// The value of one of the driver's options.
    fn option(&self, name: &str) -> Option<String> {
        let found = self.options().into_iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    /// A switch among the driver's options, in the words Docker takes.
    ///
    /// # Errors
    /// `invalid` for another word.
    fn switch(&self, name: &str, default: bool) -> Result<bool> {
        match self.option(name).as_deref() {
            None | Some("") => Ok(default),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(Error::invalid(format!(
                "{name} is {other:?}: expected true or false"
            ))),
        }
    }
}

/// A network driver.
pub trait NetworkDriver {
    /// What the driver declares; the host knows no words yet.
    const FEATURES: &'static [&'static str] = &[];

    /// Connects the endpoint. An `attach` that orders nothing leaves the
    /// container with its loopback interface alone.
    fn attach<T: Txn>(txn: &T) -> Result<()>;
}

/// Makes a [`NetworkDriver`] the component's export.
///
/// ```no_run
/// # use bulkhead_plugin_api::{Result, network::{NetworkDriver, Txn}};
/// struct Host;
///
/// impl NetworkDriver for Host {
///     fn attach<T: Txn>(txn: &T) -> Result<()> {
///         txn.use_host_namespace()
///     }
/// }
///
/// bulkhead_plugin_api::export_network!(Host);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_network {
    ($driver:ty) => {
        // The ABI's names, such as `world#function`, are none that a native linker takes.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::network::Export<$driver>;
            $crate::bindings::network::__export_network_world!(Component with_types_in $crate::bindings::network);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::network::NetworkDriver>() {}
            implements::<$driver>()
        };
    };
}
