//! A network driver's transaction: the network's own bridge, addresses that
//! this call leased, and ports the user published.

use std::net::{IpAddr, Ipv4Addr};

use bulkhead_model::network::{
    AddressPool, Cidr, EndpointRequest, IfName, NetworkNamespace, NetworkPlan, NetworkStep,
    PortMapping, Protocol,
};
use bulkhead_wire::network::{Order, PortMapping as WirePort};

use super::MAX_STEPS;
use super::fault::{Refusal, Stopped};
use super::storage::Judged;
use crate::grant::{Grant, Grants};

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
            Order::LeaseAddress(want) => return Ok((grant, self.lease(want.as_deref())?)),
            Order::UseHostNamespace => self.use_host_namespace(),
            Order::Bridge(name, address) => self.bridge(&name, &address),
            Order::Veth(inner, bridge, mtu) => self.veth(&inner, bridge.as_deref(), mtu),
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

    fn lease(&mut self, want: Option<&str>) -> Judged<Answer> {
        let gateway = self.gateway()?;
        if self.leased.len() >= MAX_LEASES {
            return Err(Refusal::Stop(Stopped {
                what: "leased addresses",
                limit: MAX_LEASES as u64,
            }));
        }
        let want = want.map(wanted_address).transpose()?;
        if let Some(addr) = want
            && !gateway.contains(addr)
        {
            return Err(Refusal::out_of_reach(format!(
                "{addr} is not in the network's subnet"
            )));
        }
        let got = self.pool.allocate(&self.request.network.name, want);
        let addr = got.ok_or_else(|| Refusal::Failed {
            code: "exhausted",
            message: match want {
                Some(addr) => format!("{addr} is taken"),
                None => format!("network {} has no free address", self.request.network.name),
            },
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

    fn bridge(&mut self, name: &str, address: &str) -> Judged {
        let interface = self.interface(name)?;
        let addr = cidr(address)?;
        if addr != self.gateway()? {
            return Err(Refusal::out_of_reach(format!(
                "{addr} is not the network's gateway"
            )));
        }
        let name = interface;
        self.push(NetworkStep::Bridge { name, addr })
    }

    fn veth(&mut self, inner: &str, bridge: Option<&str>, mtu: u32) -> Judged {
        let inner = interface_name(inner)?;
        if inner.as_str() == "lo" || self.has_veth(&inner) {
            return Err(Refusal::invalid(format!("interface {inner} exists")));
        }
        if !MTU.contains(&mtu) {
            return Err(Refusal::invalid(format!("an MTU of {mtu}")));
        }
        let bridge = bridge.map(|name| self.own_bridge(name)).transpose()?;
        self.push(NetworkStep::Veth { inner, bridge, mtu })
    }

    fn address(&mut self, interface: &str, address: &str) -> Judged {
        let ifname = interface_name(interface)?;
        let addr = cidr(address)?;
        if !self.leased.contains(&addr) {
            return Err(Refusal::out_of_reach(format!(
                "{addr} was not leased in this call"
            )));
        }
        if !self.has_veth(&ifname) {
            return Err(Refusal::invalid(format!("there is no interface {ifname}")));
        }
        self.push(NetworkStep::Addr { ifname, addr })
    }

    fn route(&mut self, destination: &str, via: Option<&str>) -> Judged {
        let dest = cidr(destination)?;
        let via = via.map(wanted_address).transpose()?;
        if let Some(hop) = via
            && !self.gateway()?.contains(hop)
        {
            return Err(Refusal::out_of_reach(format!(
                "{hop} is not in the network's subnet"
            )));
        }
        self.push(NetworkStep::Route { dest, via })
    }

    fn masquerade(&mut self, source: &str) -> Judged {
        let source = cidr(source)?;
        let gateway = self.gateway()?;
        if source.prefix != gateway.prefix || source.addr != gateway.network() {
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
        let to: Ipv4Addr = to
            .parse()
            .map_err(|_| Refusal::invalid("the target is not an IPv4 address"))?;
        if !self.leased.iter().any(|lease| lease.addr == IpAddr::V4(to)) {
            return Err(Refusal::out_of_reach(format!(
                "{to} was not leased in this call"
            )));
        }
        let bridge = self.made_bridge()?;
        self.push(NetworkStep::Publish {
            mapping,
            to,
            bridge,
        })
    }

    fn gateway(&self) -> Judged<Cidr> {
        let gateway = self.request.network.gateway;
        gateway.ok_or_else(|| Refusal::invalid("the network has no subnet"))
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

    fn has_veth(&self, ifname: &IfName) -> bool {
        let mut steps = self.plan.steps.iter();
        steps.any(|step| matches!(step, NetworkStep::Veth { inner, .. } if inner == ifname))
    }

    fn push(&mut self, step: NetworkStep) -> Judged {
        if self.plan.steps.len() >= MAX_STEPS {
            return Err(Refusal::Stop(Stopped {
                what: "plan steps",
                limit: MAX_STEPS as u64,
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
        Order::Address(..) => Grant::Address,
        Order::Route(..) => Grant::Route,
        Order::Masquerade(_) => Grant::Masquerade,
        Order::Publish(..) => Grant::Publish,
    }
}

fn cidr(text: &str) -> Judged<Cidr> {
    text.parse()
        .map_err(|e: bulkhead_model::network::InvalidCidr| Refusal::Invalid(e.to_string()))
}

/// An address, with or without a prefix.
fn wanted_address(text: &str) -> Judged<IpAddr> {
    let addr = text.split_once('/').map_or(text, |(addr, _)| addr);
    addr.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Refusal::Invalid(format!("{shown:?} is not an address"))
    })
}

fn interface_name(text: &str) -> Judged<IfName> {
    IfName::new(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Refusal::Invalid(format!("{shown:?} is not an interface name"))
    })
}

fn mapping(port: &WirePort) -> Judged<PortMapping> {
    let protocol = match port.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(Refusal::invalid("the protocol is neither tcp nor udp")),
    };
    let host_addr = port.host_address.parse();
    Ok(PortMapping {
        protocol,
        host_addr: host_addr.map_err(|_| Refusal::invalid("the host address is not IPv4"))?,
        host_port: port.host_port,
        container_port: port.container_port,
    })
}

#[cfg(test)]
mod tests;
