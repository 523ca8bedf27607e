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
    /// The driver's options.
    pub options: Vec<(String, String)>,
    /// The gateways with their prefixes.
    pub gateways: Vec<String>,
    /// Link MTU.
    pub mtu: u32,
    /// Ports to publish.
    pub ports: Vec<PortMapping>,
}

/// Published ports, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// "tcp", "udp" or "sctp".
    pub protocol: String,
    /// An address.
    pub host_address: String,
    /// The host's first port.
    pub host_port: u16,
    /// The container's first port.
    pub container_port: u16,
    /// How many.
    pub count: u16,
}

/// An order to the network transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// `lease-address(gateway)`: a text.
    LeaseAddress(String),
    /// `use-host-namespace`: unit, as all below.
    UseHostNamespace,
    /// `bridge(name, addresses)`
    Bridge(String, Vec<String>),
    /// `veth(inner, bridge, mtu)`
    Veth(String, Option<String>, u32),
    /// `isolate(inner)`
    Isolate(String),
    /// `macvlan(inner, parent, mode, mtu)`
    Macvlan(String, String, String, u32),
    /// `ipvlan(inner, parent, mode, reach, mtu)`
    Ipvlan(String, String, String, String, u32),
    /// `address(interface-name, address)`
    Address(String, String),
    /// `route(destination, via)`
    Route(String, Option<String>),
    /// `masquerade(source)`
    Masquerade(String),
    /// `publish(port, to)`
    Publish(PortMapping, String),
}
