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
            other => Err(Error::unsupported(format!(
                "publishing {other:?} ports is not supported"
            ))),
        }
    }

    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// A port the user published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address; 0.0.0.0 is all.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// Facts about the network and the endpoint, and orders the host carries out
/// together once `attach` returned `Ok`.
pub trait Txn {
    /// The network's name.
    fn network(&self) -> String;
    /// The endpoint's id.
    fn endpoint(&self) -> String;
    /// The host interface that this network may make and use.
    fn interface_name(&self) -> Option<String>;
    /// The gateway's address with the subnet's prefix, such as 172.17.0.1/16.
    ///
    /// # Errors
    /// `invalid` when the host's text is no such address.
    fn gateway(&self) -> Result<Option<Cidr>>;
    /// Link MTU, bytes.
    fn mtu(&self) -> u32;
    /// Ports the user published.
    ///
    /// # Errors
    /// `unsupported` for a protocol of a newer host.
    fn ports(&self) -> Result<Vec<PortMapping>>;

    /// Leases an address of the network's pool for this endpoint: the wanted
    /// one or the lowest free, with the subnet's prefix.
    ///
    /// # Errors
    /// `exhausted` when the pool is empty, `exists` when the wanted one is taken.
    fn lease_address(&self, want: Option<IpAddr>) -> Result<Cidr>;

    /// The container shares the host's network namespace. Excludes every other order.
    fn use_host_namespace(&self) -> Result<()>;
    /// The bridge exists, is up and has this address.
    fn bridge(&self, name: &str, address: Cidr) -> Result<()>;
    /// A veth pair; the host end joins the bridge.
    fn veth(&self, inner: &str, bridge: Option<&str>, mtu: u32) -> Result<()>;
    /// An address inside; it must be leased in this call.
    fn address(&self, interface: &str, address: Cidr) -> Result<()>;
    /// A route inside.
    fn route(&self, destination: Cidr, via: Option<IpAddr>) -> Result<()>;
    /// Traffic of the network's subnet that leaves the host takes the host's address.
    fn masquerade(&self, source: Cidr) -> Result<()>;
    /// Forwards a host port the user published to a leased address.
    fn publish(&self, port: &PortMapping, to: IpAddr) -> Result<()>;
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
