//! A network host in memory.

use std::cell::RefCell;
use std::net::IpAddr;

use crate::network::{Cidr, PortMapping, Txn};
use crate::{Code, Error, Result};

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkOrder {
    /// [`Txn::lease_address`]
    LeaseAddress(Cidr),
    /// [`Txn::use_host_namespace`]
    UseHostNamespace,
    /// [`Txn::bridge`]
    Bridge(String, Vec<Cidr>),
    /// [`Txn::veth`]: the inner name, the bridge, the MTU.
    Veth(String, Option<String>, u32),
    /// [`Txn::isolate`]
    Isolate(String),
    /// [`Txn::macvlan`]: the inner name, the parent, the mode, the MTU.
    Macvlan(String, String, String, u32),
    /// [`Txn::ipvlan`]: the inner name, the parent, the mode, whom it reaches, the MTU.
    Ipvlan(String, String, String, String, u32),
    /// [`Txn::address`]
    Address(String, Cidr),
    /// [`Txn::route`]
    Route(Cidr, Option<IpAddr>),
    /// [`Txn::masquerade`]
    Masquerade(Cidr),
    /// [`Txn::publish`]
    Publish(PortMapping, IpAddr),
}

/// A network host for one call.
pub struct FakeNetworkHost {
    network: String,
    interface: Option<String>,
    options: Vec<(String, String)>,
    gateways: Vec<Cidr>,
    mtu: u32,
    ports: Vec<PortMapping>,
    free: RefCell<Vec<Cidr>>,
    orders: RefCell<Vec<NetworkOrder>>,
}

impl FakeNetworkHost {
    /// A network without an interface, a gateway or a pool.
    pub fn new(network: &str) -> Self {
        Self {
            network: network.to_owned(),
            interface: None,
            options: Vec::new(),
            gateways: Vec::new(),
            mtu: 1500,
            ports: Vec::new(),
            free: RefCell::default(),
            orders: RefCell::default(),
        }
    }

    /// Gives the network a host interface.
    #[must_use]
    pub fn with_interface(mut self, name: &str) -> Self {
        self.interface = Some(name.to_owned());
        self
    }

    /// Gives the network a gateway; one of each family at most.
    #[must_use]
    pub fn with_gateway(mut self, gateway: Cidr) -> Self {
        self.gateways.push(gateway);
        self
    }

    /// Gives the driver an option.
    #[must_use]
    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the MTU.
    #[must_use]
    pub fn with_mtu(mut self, mtu: u32) -> Self {
        self.mtu = mtu;
        self
    }

    /// Publishes a port.
    #[must_use]
    pub fn with_port(mut self, port: PortMapping) -> Self {
        self.ports.push(port);
        self
    }

    /// Puts an address into the pool.
    #[must_use]
    pub fn with_free_address(self, address: Cidr) -> Self {
        self.free.borrow_mut().push(address);
        self
    }

    /// Everything ordered.
    pub fn orders(&self) -> Vec<NetworkOrder> {
        self.orders.borrow().clone()
    }

    fn order(&self, order: NetworkOrder) -> Result<()> {
        self.orders.borrow_mut().push(order);
        Ok(())
    }

    fn own(&self, interface: &str) -> Result<()> {
        if self.interface.as_deref() == Some(interface) {
            return Ok(());
        }
        Err(Error::denied(format!(
            "network {} does not own the interface {interface}",
            self.network
        )))
    }

    fn leased(&self, address: IpAddr) -> bool {
        let leased = |order: &NetworkOrder| matches!(order, NetworkOrder::LeaseAddress(cidr) if cidr.address == address);
        self.orders.borrow().iter().any(leased)
    }
}

impl Txn for FakeNetworkHost {
    fn network(&self) -> String {
        self.network.clone()
    }

    fn endpoint(&self) -> String {
        "0".repeat(64)
    }

    fn interface_name(&self) -> Option<String> {
        self.interface.clone()
    }

    fn options(&self) -> Vec<(String, String)> {
        self.options.clone()
    }

    fn gateways(&self) -> Result<Vec<Cidr>> {
        Ok(self.gateways.clone())
    }

    fn mtu(&self) -> u32 {
        self.mtu
    }

    fn ports(&self) -> Result<Vec<PortMapping>> {
        Ok(self.ports.clone())
    }

    fn lease_address(&self, gateway: Cidr) -> Result<Cidr> {
        let mut free = self.free.borrow_mut();
        let exhausted = || {
            Error::new(
                Code::Exhausted,
                format!("no free addresses left in network {}", self.network),
            )
        };
        let at = free
            .iter()
            .position(|cidr| cidr.network() == gateway.network())
            .ok_or_else(exhausted)?;
        let address = free.remove(at);
        self.order(NetworkOrder::LeaseAddress(address))?;
        Ok(address)
    }

    fn use_host_namespace(&self) -> Result<()> {
        self.order(NetworkOrder::UseHostNamespace)
    }

    fn bridge(&self, name: &str, addresses: &[Cidr]) -> Result<()> {
        self.own(name)?;
        self.order(NetworkOrder::Bridge(name.to_owned(), addresses.to_vec()))
    }

    fn veth(&self, inner: &str, bridge: Option<&str>, mtu: u32) -> Result<()> {
        self.order(NetworkOrder::Veth(
            inner.to_owned(),
            bridge.map(str::to_owned),
            mtu,
        ))
    }

    fn isolate(&self, inner: &str) -> Result<()> {
        self.order(NetworkOrder::Isolate(inner.to_owned()))
    }

    fn macvlan(&self, inner: &str, parent: &str, mode: &str, mtu: u32) -> Result<()> {
        self.own(parent)?;
        self.order(NetworkOrder::Macvlan(
            inner.to_owned(),
            parent.to_owned(),
            mode.to_owned(),
            mtu,
        ))
    }

    fn ipvlan(&self, inner: &str, parent: &str, mode: &str, reach: &str, mtu: u32) -> Result<()> {
        self.own(parent)?;
        self.order(NetworkOrder::Ipvlan(
            inner.to_owned(),
            parent.to_owned(),
            mode.to_owned(),
            reach.to_owned(),
            mtu,
        ))
    }

    fn address(&self, interface: &str, address: Cidr) -> Result<()> {
        if !self.leased(address.address) {
            return Err(Error::denied(format!("{address} is not leased")));
        }
        self.order(NetworkOrder::Address(interface.to_owned(), address))
    }

    fn route(&self, destination: Cidr, via: Option<IpAddr>) -> Result<()> {
        self.order(NetworkOrder::Route(destination, via))
    }

    fn masquerade(&self, source: Cidr) -> Result<()> {
        self.order(NetworkOrder::Masquerade(source))
    }

    fn publish(&self, port: &PortMapping, to: IpAddr) -> Result<()> {
        if !self.ports.contains(port) || !self.leased(to) {
            return Err(Error::denied(format!(
                "port {} was not published, or {to} is not leased",
                port.host_port
            )));
        }
        self.order(NetworkOrder::Publish(port.clone(), to))
    }
}
