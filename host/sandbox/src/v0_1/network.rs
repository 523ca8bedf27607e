//! The `network` world.

use bulkhead_wire::network::{Facts, Order};
use bulkhead_wire::{HostCall, HostReply, Outcome, Value};
use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::bindings::network::bulkhead::plugin::network_host::{self, HostTxn, PortMapping};
use super::bindings::network::{Network, NetworkPre};
use super::bindings::storage::bulkhead::plugin::types::Error;
use super::{error, fault};
use crate::call::{self as state, CallState, unexpected};

/// The one transaction of a call.
#[derive(Debug)]
pub struct Txn;

/// Runs `attach` in a fresh instance.
pub fn attach(component: &NetworkPre<CallState>, store: &mut Store<CallState>) -> Result<Outcome> {
    let guest: Network = component.instantiate(&mut *store)?;
    let txn = store.data_mut().push(Txn)?;
    let attached = guest
        .bulkhead_plugin_network_driver()
        .call_attach(store, txn)?;
    Ok(match attached {
        Ok(()) => Outcome::Ok(Value::Unit),
        Err(e) => Outcome::Fault(fault(e)),
    })
}

/// Asks what the driver declares.
pub fn features(
    component: &NetworkPre<CallState>,
    store: &mut Store<CallState>,
) -> Result<Outcome> {
    let guest: Network = component.instantiate(&mut *store)?;
    let features = guest
        .bulkhead_plugin_network_driver()
        .call_features(store)?;
    Ok(Outcome::Ok(Value::Strings(features)))
}

impl CallState {
    fn network_facts(&self) -> Result<&Facts> {
        match &self.facts {
            state::Facts::Network(facts) => Ok(facts),
            _ => Err(unexpected()),
        }
    }

    fn order_network(&mut self, order: Order) -> Result<std::result::Result<(), Error>> {
        Ok(self.order(HostCall::Network(order))?.map_err(error))
    }
}

impl network_host::Host for CallState {}

impl HostTxn for CallState {
    fn network(&mut self, _txn: Resource<Txn>) -> Result<String> {
        Ok(self.network_facts()?.network.clone())
    }

    fn endpoint(&mut self, _txn: Resource<Txn>) -> Result<String> {
        Ok(self.network_facts()?.endpoint.clone())
    }

    fn interface_name(&mut self, _txn: Resource<Txn>) -> Result<Option<String>> {
        Ok(self.network_facts()?.interface.clone())
    }

    fn options(&mut self, _txn: Resource<Txn>) -> Result<Vec<(String, String)>> {
        Ok(self.network_facts()?.options.clone())
    }

    fn gateways(&mut self, _txn: Resource<Txn>) -> Result<Vec<String>> {
        Ok(self.network_facts()?.gateways.clone())
    }

    fn mtu(&mut self, _txn: Resource<Txn>) -> Result<u32> {
        Ok(self.network_facts()?.mtu)
    }

    fn ports(&mut self, _txn: Resource<Txn>) -> Result<Vec<PortMapping>> {
        let ports = self.network_facts()?.ports.iter();
        Ok(ports.cloned().map(port_for_guest).collect())
    }

    fn lease_address(
        &mut self,
        _txn: Resource<Txn>,
        gateway: String,
    ) -> Result<std::result::Result<String, Error>> {
        match self.ask(HostCall::Network(Order::LeaseAddress(gateway)))? {
            HostReply::Text(address) => Ok(Ok(address)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn use_host_namespace(
        &mut self,
        _txn: Resource<Txn>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::UseHostNamespace)
    }

    fn bridge(
        &mut self,
        _txn: Resource<Txn>,
        name: String,
        addresses: Vec<String>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Bridge(name, addresses))
    }

    fn veth(
        &mut self,
        _txn: Resource<Txn>,
        inner: String,
        bridge: Option<String>,
        mtu: u32,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Veth(inner, bridge, mtu))
    }

    fn isolate(
        &mut self,
        _txn: Resource<Txn>,
        inner: String,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Isolate(inner))
    }

    fn macvlan(
        &mut self,
        _txn: Resource<Txn>,
        inner: String,
        parent: String,
        mode: String,
        mtu: u32,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Macvlan(inner, parent, mode, mtu))
    }

    fn ipvlan(
        &mut self,
        _txn: Resource<Txn>,
        inner: String,
        parent: String,
        mode: String,
        reach: String,
        mtu: u32,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Ipvlan(inner, parent, mode, reach, mtu))
    }

    fn address(
        &mut self,
        _txn: Resource<Txn>,
        interface_name: String,
        address: String,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Address(interface_name, address))
    }

    fn route(
        &mut self,
        _txn: Resource<Txn>,
        destination: String,
        via: Option<String>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Route(destination, via))
    }

    fn masquerade(
        &mut self,
        _txn: Resource<Txn>,
        source: String,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Masquerade(source))
    }

    fn publish(
        &mut self,
        _txn: Resource<Txn>,
        port: PortMapping,
        to: String,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_network(Order::Publish(port_for_broker(port), to))
    }

    fn drop(&mut self, txn: Resource<Txn>) -> Result<()> {
        self.table.delete(txn)?;
        Ok(())
    }
}

fn port_for_guest(port: bulkhead_wire::network::PortMapping) -> PortMapping {
    PortMapping {
        protocol: port.protocol,
        host_address: port.host_address,
        host_port: port.host_port,
        container_port: port.container_port,
        count: port.count,
    }
}

fn port_for_broker(port: PortMapping) -> bulkhead_wire::network::PortMapping {
    bulkhead_wire::network::PortMapping {
        protocol: port.protocol,
        host_address: port.host_address,
        host_port: port.host_port,
        container_port: port.container_port,
        count: port.count,
    }
}
