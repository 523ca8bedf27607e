//! The glue between the contract's version 0.1.0 and the driver trait.

use std::marker::PhantomData;
use std::net::IpAddr;

use super::{Cidr, NetworkDriver, PortMapping, Protocol, Txn};
use crate::bindings::network::bulkhead::plugin::network_host as wit;
use crate::bindings::network::exports::bulkhead::plugin::network_driver::Guest;
use crate::bindings::storage::bulkhead::plugin::types;
use crate::{Error, Result, log};

/// A driver as the component's export; made by [`export_network!`](crate::export_network).
pub struct Export<D>(PhantomData<D>);

impl<D: NetworkDriver> Guest for Export<D> {
    fn features() -> Vec<String> {
        D::FEATURES
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect()
    }

    fn attach(txn: wit::Txn) -> std::result::Result<(), types::Error> {
        log::report_panics();
        Ok(D::attach(&txn)?)
    }
}

impl TryFrom<wit::PortMapping> for PortMapping {
    type Error = Error;

    fn try_from(port: wit::PortMapping) -> Result<Self> {
        let host_address = port.host_address.parse();
        Ok(Self {
            protocol: Protocol::parse(&port.protocol)?,
            host_address: host_address.map_err(|_| {
                Error::invalid(format!("{:?} is not an address", port.host_address))
            })?,
            host_port: port.host_port,
            container_port: port.container_port,
            count: port.count,
        })
    }
}

impl Txn for wit::Txn {
    fn network(&self) -> String {
        wit::Txn::network(self)
    }

    fn endpoint(&self) -> String {
        wit::Txn::endpoint(self)
    }

    fn interface_name(&self) -> Option<String> {
        wit::Txn::interface_name(self)
    }

    fn options(&self) -> Vec<(String, String)> {
        wit::Txn::options(self)
    }

    fn gateways(&self) -> Result<Vec<Cidr>> {
        let gateways = wit::Txn::gateways(self);
        gateways.iter().map(|text| text.parse()).collect()
    }

    fn mtu(&self) -> u32 {
        wit::Txn::mtu(self)
    }

    fn ports(&self) -> Result<Vec<PortMapping>> {
        wit::Txn::ports(self)
            .into_iter()
            .map(PortMapping::try_from)
            .collect()
    }

    fn lease_address(&self, gateway: Cidr) -> Result<Cidr> {
        wit::Txn::lease_address(self, &gateway.to_string())?.parse()
    }

    fn use_host_namespace(&self) -> Result<()> {
        Ok(wit::Txn::use_host_namespace(self)?)
    }

    fn bridge(&self, name: &str, addresses: &[Cidr]) -> Result<()> {
        let addresses: Vec<_> = addresses.iter().map(Cidr::to_string).collect();
        Ok(wit::Txn::bridge(self, name, &addresses)?)
    }

    fn veth(&self, inner: &str, bridge: Option<&str>, mtu: u32) -> Result<()> {
        Ok(wit::Txn::veth(self, inner, bridge, mtu)?)
    }

    fn isolate(&self, inner: &str) -> Result<()> {
        Ok(wit::Txn::isolate(self, inner)?)
    }

    fn macvlan(&self, inner: &str, parent: &str, mode: &str, mtu: u32) -> Result<()> {
        Ok(wit::Txn::macvlan(self, inner, parent, mode, mtu)?)
    }

    fn ipvlan(&self, inner: &str, parent: &str, mode: &str, reach: &str, mtu: u32) -> Result<()> {
        Ok(wit::Txn::ipvlan(self, inner, parent, mode, reach, mtu)?)
    }

    fn address(&self, interface: &str, address: Cidr) -> Result<()> {
        Ok(wit::Txn::address(self, interface, &address.to_string())?)
    }

    fn route(&self, destination: Cidr, via: Option<IpAddr>) -> Result<()> {
        let via = via.map(|address| address.to_string());
        Ok(wit::Txn::route(
            self,
            &destination.to_string(),
            via.as_deref(),
        )?)
    }

    fn masquerade(&self, source: Cidr) -> Result<()> {
        Ok(wit::Txn::masquerade(self, &source.to_string())?)
    }

    fn publish(&self, port: &PortMapping, to: IpAddr) -> Result<()> {
        let port = wit::PortMapping {
            protocol: port.protocol.as_str().to_owned(),
            host_address: port.host_address.to_string(),
            host_port: port.host_port,
            container_port: port.container_port,
            count: port.count,
        };
        Ok(wit::Txn::publish(self, &port, &to.to_string())?)
    }
}
