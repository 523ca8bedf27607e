//! A network driver's transaction: the network's own interface, addresses that
//! this call leased, and ports the user published.

mod words;

use std::net::IpAddr;

use bulkhead_model::network::{
    AddressPool, Cidr, EndpointRequest, Family, IfName, NetworkNamespace, NetworkPlan, NetworkStep,
    SubLink,
};
use bulkhead_wire::network::{Order, PortMapping as WirePort};

use super::MAX_STEPS;
use super::fault::{Refusal, Stopped};
use super::storage::Judged;
use crate::grant::{Grant, Grants};
use words::{addresses, cidr, interface_name, ipvlan, macvlan, mapping, wanted_address};

/// Addresses of one endpoint.
const MAX_LEASES: usize = 8;

/// An IPv4 link must carry this many bytes (RFC 791), and Linux has no larger
/// MTU than 65535.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// The transaction of one call. Leases are given back unless
/// [`NetworkTxn::into_plan`] keeps them.
pub struct NetworkTxn<'a> {
    grants: &'a Grants,
    pool: &'a dyn AddressPool,
    request: &'a EndpointRequest,
    plan: NetworkPlan,
    leased: Vec<Cidr>,
    denied: Option<Grant>,
    stopped: Option<Stopped>,
}

/// What an accepted order says back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Unit,
    /// A leased address with its prefix.
    Address(Cidr),
}

impl<'a> NetworkTxn<'a> {
    /// An empty transaction for `request`.
    pub fn new(
        grants: &'a Grants,
        pool: &'a dyn AddressPool,
        request: &'a EndpointRequest,
    ) -> Self {
        Self {
            grants,
            pool,
            request,
            plan: NetworkPlan::default(),
            leased: Vec::new(),
            denied: None,
            stopped: None,
        }
    }

    /// The first grant that was missing.
    pub fn denied(&self) -> Option<Grant> {
        self.denied
    }

    /// The limit that ended the call.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// What was ordered; only when the export returned ok.
    pub fn into_plan(mut self) -> NetworkPlan {
        self.plan.leases = self.leased.drain(..).map(|lease| lease.addr).collect();
        std::mem::take(&mut self.plan)
    }

    /// Takes an order into the plan, or says why not.
    pub fn order(&mut self, order: Order) -> Judged<(Grant, Answer)> {
        let judged = self.judge(order);
        if let Err(Refusal::Stop(stopped)) = &judged {
            self.stopped.get_or_insert(stopped.clone());
        }
        judged
    }

    fn judge(&mut self, order: Order) -> Judged<(Grant, Answer)> {
        let grant = grant_of(&order);
        self.granted(grant)?;
        if self.plan.namespace == NetworkNamespace::Host {
            return Err(Refusal::invalid(
                "the host's namespace excludes every other order",
            ));
        }
        let answer = match order {
            Order::LeaseAddress(gateway) => return Ok((grant, self.lease(&gateway)?)),
            Order::UseHostNamespace => self.use_host_namespace(),
            Order::Bridge(name, addresses) => self.bridge(&name, &addresses),
            Order::Veth(inner, bridge, mtu) => self.veth(&inner, bridge.as_deref(), mtu),
            Order::Isolate(inner) => self.isolate(&inner),
            Order::Macvlan(inner, parent, mode, mtu) => {
                macvlan(&mode).and_then(|kind| self.sub_link(&inner, &parent, kind, mtu))
            }
            Order::Ipvlan(inner, parent, mode, reach, mtu) => {
                ipvlan(&mode, &reach).and_then(|kind| self.sub_link(&inner, &parent, kind, mtu))
            }
            Order::Address(interface, address) => self.address(&interface, &address),
            Order::Route(destination, via) => self.route(&destination, via.as_deref()),
            Order::Masquerade(source) => self.masquerade(&source),
            Order::Publish(port, to) => self.publish(&port, &to),
        };
        answer.map(|()| (grant, Answer::Unit))
    }

    fn granted(&mut self, grant: Grant) -> Judged {
        if self.grants.has(grant) {
            return Ok(());
        }
        self.denied.get_or_insert(grant);
        Err(Refusal::NotGranted(grant))
    }

    fn lease(&mut self, gateway: &str) -> Judged<Answer> {
        let gateway = self.gateway(cidr(gateway)?)?;
        if self.leased.len() >= MAX_LEASES {
            return Err(Refusal::Stop(Stopped {
                what: "leased addresses",
                limit: MAX_LEASES as u64,
            }));
        }
        let network = &self.request.network.name;
        let got = self.pool.allocate(network, &gateway);
        let addr = got.ok_or_else(|| Refusal::Failed {
            code: "exhausted",
            message: format!(
                "network {network} has no free address in {}",
                gateway.subnet()
            ),
        })?;
        let prefix = gateway.prefix;
        let lease = Cidr { addr, prefix };
        self.leased.push(lease);
        Ok(Answer::Address(lease))
    }

    fn use_host_namespace(&mut self) -> Judged {
        if !self.plan.steps.is_empty() || !self.leased.is_empty() {
            return Err(Refusal::invalid(
                "the host's namespace excludes every other order",
            ));
        }
        self.plan.namespace = NetworkNamespace::Host;
        Ok(())
    }

    fn bridge(&mut self, name: &str, addresses: &[String]) -> Judged {
        let name = self.interface(name)?;
        let addrs = self::addresses(addresses)?;
        let foreign = addrs.iter().find(|addr| self.gateway(**addr).is_err());
        if let Some(addr) = foreign {
            return Err(Refusal::out_of_reach(format!(
                "{addr} is not the network's gateway"
            )));
        }
        self.push(NetworkStep::Bridge { name, addrs })
    }

    fn veth(&mut self, inner: &str, bridge: Option<&str>, mtu: u32) -> Judged {
        let inner = self.new_link(inner, mtu)?;
        let bridge = bridge.map(|name| self.own_bridge(name)).transpose()?;
        self.push(NetworkStep::Veth {
            inner,
            bridge,
            mtu,
            mac: self.request.mac,
            isolated: false,
        })
    }

    fn isolate(&mut self, inner: &str) -> Judged {
        let wanted = interface_name(inner)?;
        for step in &mut self.plan.steps {
            if let NetworkStep::Veth {
                inner, isolated, ..
            } = step
                && *inner == wanted
            {
                *isolated = true;
                return Ok(());
            }
        }
        Err(Refusal::invalid(format!("there is no pair {wanted}")))
    }

    fn sub_link(&mut self, inner: &str, parent: &str, kind: SubLink, mtu: u32) -> Judged {
        let inner = self.new_link(inner, mtu)?;
        let parent = self.interface(parent)?;
        self.push(NetworkStep::SubLink {
            inner,
            parent,
            kind,
            mtu,
            mac: self.request.mac,
        })
    }

    fn new_link(&self, inner: &str, mtu: u32) -> Judged<IfName> {
        let inner = interface_name(inner)?;
        if inner.as_str() == "lo" || self.has_link(&inner) {
            return Err(Refusal::invalid(format!("interface {inner} exists")));
        }
        if !MTU.contains(&mtu) {
            return Err(Refusal::invalid(format!("an MTU of {mtu}")));
        }
        Ok(inner)
    }

    fn address(&mut self, interface: &str, address: &str) -> Judged {
        let ifname = interface_name(interface)?;
        let addr = cidr(address)?;
        if !self.leased.contains(&addr) {
            return Err(Refusal::out_of_reach(format!(
                "{addr} was not leased in this call"
            )));
        }
        if !self.has_link(&ifname) {
            return Err(Refusal::invalid(format!("there is no interface {ifname}")));
        }
        self.push(NetworkStep::Addr { ifname, addr })
    }

    fn route(&mut self, destination: &str, via: Option<&str>) -> Judged {
        let dest = cidr(destination)?;
        let via = via.map(wanted_address).transpose()?;
        let mut subnets = self.request.network.gateways.iter();
        if let Some(hop) = via
            && !subnets.any(|subnet| subnet.contains(hop))
        {
            return Err(Refusal::out_of_reach(format!(
                "{hop} is not in the network's subnet"
            )));
        }
        self.push(NetworkStep::Route { dest, via })
    }

    fn masquerade(&mut self, source: &str) -> Judged {
        let source = cidr(source)?;
        let mut gateways = self.request.network.gateways.iter();
        if !gateways.any(|gateway| gateway.subnet() == source) {
            return Err(Refusal::out_of_reach(format!(
                "{source} is not the network's subnet"
            )));
        }
        let bridge = self.made_bridge()?;
        self.push(NetworkStep::Masquerade { source, bridge })
    }

    fn publish(&mut self, port: &WirePort, to: &str) -> Judged {
        let mapping = mapping(port)?;
        if !self.request.ports.contains(&mapping) {
            return Err(Refusal::out_of_reach(format!(
                "the user did not publish {}:{}/{}",
                mapping.host_addr,
                mapping.host_port,
                mapping.protocol.as_str()
            )));
        }
        let again = |step: &NetworkStep| matches!(step, NetworkStep::Publish { mapping: m, .. } if *m == mapping);
        if self.plan.steps.iter().any(again) {
            return Err(Refusal::invalid("the port was forwarded before"));
        }
        let to: IpAddr = to
            .parse()
            .map_err(|_| Refusal::invalid("the target is not an address"))?;
        if !self.leased.iter().any(|lease| lease.addr == to) {
            return Err(Refusal::out_of_reach(format!(
                "{to} was not leased in this call"
            )));
        }
        if Family::of(to) != Family::of(mapping.host_addr) {
            return Err(Refusal::invalid(format!(
                "{} cannot be forwarded to {to}",
                mapping.host_addr
            )));
        }
        let bridge = self.made_bridge()?;
        self.push(NetworkStep::Publish {
            mapping,
            to,
            bridge,
        })
    }

    /// The network's gateway that is `wanted`.
    fn gateway(&self, wanted: Cidr) -> Judged<Cidr> {
        let own = self.request.network.gateways.contains(&wanted);
        own.then_some(wanted)
            .ok_or_else(|| Refusal::out_of_reach(format!("the network has no gateway {wanted}")))
    }

    /// The network's interface, if it is called `name`.
    fn interface(&self, name: &str) -> Judged<IfName> {
        let interface = self.request.network.interface.as_ref();
        let own = interface.filter(|own| own.as_str() == name);
        own.cloned().ok_or_else(|| {
            let shown: String = name.chars().take(40).collect();
            Refusal::OutOfReach(format!("{shown:?} is not the network's interface"))
        })
    }

    /// The network's interface, ordered before in this call.
    fn own_bridge(&self, name: &str) -> Judged<IfName> {
        let name = self.interface(name)?;
        let made =
            |step: &NetworkStep| matches!(step, NetworkStep::Bridge { name: n, .. } if *n == name);
        if self.plan.steps.iter().any(made) {
            return Ok(name);
        }
        Err(Refusal::invalid(format!(
            "bridge {name} must be ordered first"
        )))
    }

    fn made_bridge(&self) -> Judged<IfName> {
        let interface = self.request.network.interface.as_ref();
        let name = interface.map(IfName::as_str).unwrap_or_default();
        self.own_bridge(name)
    }

    fn has_link(&self, ifname: &IfName) -> bool {
        let mut steps = self.plan.steps.iter();
        steps.any(|step| step.link() == Some(ifname))
    }

    fn push(&mut self, step: NetworkStep) -> Judged {
        let limit = MAX_STEPS + self.request.ports.len();
        if self.plan.steps.len() >= limit {
            return Err(Refusal::Stop(Stopped {
                what: "plan steps",
                limit: limit as u64,
            }));
        }
        self.plan.steps.push(step);
        Ok(())
    }
}

impl Drop for NetworkTxn<'_> {
    fn drop(&mut self) {
        for lease in &self.leased {
            self.pool.release(&self.request.network.name, lease.addr);
        }
    }
}

fn grant_of(order: &Order) -> Grant {
    match order {
        Order::LeaseAddress(_) => Grant::LeaseAddress,
        Order::UseHostNamespace => Grant::UseHostNamespace,
        Order::Bridge(..) => Grant::Bridge,
        Order::Veth(..) => Grant::Veth,
        Order::Isolate(_) => Grant::Isolate,
        Order::Macvlan(..) => Grant::Macvlan,
        Order::Ipvlan(..) => Grant::Ipvlan,
        Order::Address(..) => Grant::Address,
        Order::Route(..) => Grant::Route,
        Order::Masquerade(_) => Grant::Masquerade,
        Order::Publish(..) => Grant::Publish,
    }
}

#[cfg(test)]
mod tests;
