//! A network driver's calls.

use serde::{Deserialize, Serialize};

/// What the driver may read without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The network's name.
    pub network: String,
    /// The endpoint's id.
    pub endpoint: String,
    /// The host interface the network may make.
    pub interface: Option<String>,
    /// The gateway with its prefix.
    pub gateway: Option<String>,
    /// Link MTU.
    pub mtu: u32,
    /// Ports to publish.
    pub ports: Vec<PortMapping>,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// "tcp" or "udp".
    pub protocol: String,
    /// An IPv4 address.
    pub host_address: String,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// An order to the network transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// `lease-address(want)`: a text.
    LeaseAddress(Option<String>),
    /// `use-host-namespace`: unit, as all below.
    UseHostNamespace,
    /// `bridge(name, address)`
    Bridge(String, String),
    /// `veth(inner, bridge, mtu)`
    Veth(String, Option<String>, u32),
    /// `address(interface-name, address)`
    Address(String, String),
    /// `route(destination, via)`
    Route(String, Option<String>),
    /// `masquerade(source)`
    Masquerade(String),
    /// `publish(port, to)`
    Publish(PortMapping, String),
}
