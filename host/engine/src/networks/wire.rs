//! Asks the drivers of a container's networks, and makes one plan of their
//! answers.

mod fit;

use std::net::IpAddr;

use bulkhead_model::network::{
    AddressPool, Cidr, EndpointRequest, Family, MacAddr, NetworkNamespace, NetworkPlan,
    NetworkStep, PortMapping,
};

use super::{options, ports};
use crate::address_pool::Pools;
use crate::container::{Container, Endpoint, Membership, PluginRecord};
use crate::error::EngineError;
use crate::networks::Network;
use crate::peers::network_container;
use crate::spec::PortSpec;
use crate::{Engine, random_id};
use fit::{append, fitted, links};

/// How a container that is about to start is connected.
#[derive(Debug)]
pub(crate) struct Wiring {
    /// For the runtime.
    pub(crate) plan: NetworkPlan,
    /// For the record.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Who decided, for the record.
    pub(crate) plugin: Option<PluginRecord>,
    /// The resolv.conf that follows from it, for the record.
    pub(crate) resolv_conf: String,
}

impl Engine {
    /// Decides how `record` is connected; addresses are leased until
    /// [`Engine::unwire`].
    pub(crate) fn wire(&self, record: &Container) -> Result<Wiring, EngineError> {
        let mut wiring = Wiring {
            plan: NetworkPlan::default(),
            endpoints: Vec::new(),
            plugin: None,
            resolv_conf: String::new(),
        };
        if network_container(&record.spec.network).is_some() {
            // The runtime joins the other's namespace.
            wiring.plan.namespace = NetworkNamespace::Host;
            return Ok(wiring);
        }
        match self.wire_all(record, &mut wiring) {
            Ok(()) => Ok(wiring),
            Err(error) => {
                self.unwire(&wiring.endpoints);
                Err(error)
            }
        }
    }

    fn wire_all(&self, record: &Container, wiring: &mut Wiring) -> Result<(), EngineError> {
        let mut joined: Vec<_> = record
            .networks
            .iter()
            .map(|m| Ok((self.networks.find(&m.network)?, m.clone())))
            .collect::<Result<Vec<_>, EngineError>>()?;
        if joined.is_empty() {
            // Disconnected from all before its first start.
            let network = self.networks.find(&record.spec.network)?;
            let again = self.membership(&network, &Default::default())?;
            joined.push((network, again));
        }
        let places = joined.iter().map(|(n, m)| (n.as_ref(), m.gateway_priority));
        let outward = Family::BOTH.map(|family| way_out(places.clone(), family));
        let leads = |nth: usize| {
            let families = Family::BOTH.into_iter();
            let leads = families.filter(|family| outward[*family as usize] == Some(nth));
            leads.collect::<Vec<_>>()
        };
        for (nth, (network, member)) in joined.iter().enumerate() {
            let ports = self.wanted_ports(record, network, &leads(nth))?;
            let request = self.endpoint_request(record, network, member, ports);
            let plan = self.ask(network, member, &request)?;
            wiring
                .plugin
                .get_or_insert(network.driver.identity().into());
            let links = links(&wiring.plan.steps);
            let plan = fitted(plan, network, member, links, &leads(nth));
            wiring.endpoints.extend(endpoint(network, &request, &plan));
            append(&mut wiring.plan, plan);
        }
        if joined.iter().any(|(n, _)| n.record.has_names()) {
            wiring.plan.steps.push(NetworkStep::Resolver);
        }
        Ok(())
    }

    /// One more network for a container that runs: its plan, with interfaces
    /// counted on from those in `record`. It is the way out where there is
    /// none, or where its priority is higher.
    pub(crate) fn wire_more(
        &self,
        record: &Container,
        network: &Network,
        member: &Membership,
        links: usize,
    ) -> Result<(NetworkPlan, Option<Endpoint>), EngineError> {
        let request = self.endpoint_request(record, network, member, Vec::new());
        let plan = self.ask(network, member, &request)?;
        let better = |family: &Family| {
            let now = self.way_out(record, *family, None);
            let now = now.map(|e| gateway_priority(record, &e.network_id));
            leads_out(network, *family) && now.is_none_or(|now| member.gateway_priority > now)
        };
        let families: Vec<_> = Family::BOTH.into_iter().filter(better).collect();
        let mut plan = fitted(plan, network, member, links, &families);
        let endpoint = endpoint(network, &request, &plan);
        if network.record.has_names() && !self.has_names(record) {
            plan.steps.push(NetworkStep::Resolver);
        }
        Ok((plan, endpoint))
    }

    /// The endpoint through which a container that runs leaves in a family,
    /// `gone` left out.
    pub(super) fn way_out<'a>(
        &self,
        record: &'a Container,
        family: Family,
        gone: Option<&str>,
    ) -> Option<&'a Endpoint> {
        let mut best: Option<(&Endpoint, i64)> = None;
        for endpoint in &record.endpoints {
            let network = self.networks.find(&endpoint.network_id);
            let leads = network.is_ok_and(|n| leads_out(&n, family));
            let priority = gateway_priority(record, &endpoint.network_id);
            if leads
                && gone != Some(endpoint.id.as_str())
                && best.is_none_or(|(_, highest)| priority > highest)
            {
                best = Some((endpoint, priority));
            }
        }
        best.map(|(endpoint, _)| endpoint)
    }

    fn has_names(&self, record: &Container) -> bool {
        let names = |e: &Endpoint| {
            self.networks
                .find(&e.network_id)
                .map(|n| n.record.has_names())
        };
        record.endpoints.iter().any(|e| names(e).unwrap_or(true))
    }

    fn ask(
        &self,
        network: &Network,
        member: &Membership,
        request: &EndpointRequest,
    ) -> Result<NetworkPlan, EngineError> {
        let name = &network.config.name;
        let taken = |addr: &&IpAddr| !self.pools.is_free(name, **addr);
        if member.addresses.iter().any(|addr| taken(&addr)) {
            return Err(EngineError::AddressInUse);
        }
        let pool = Chosen {
            pools: &self.pools,
            addresses: &member.addresses,
        };
        Ok(network.driver.attach(&pool, request)?)
    }

    /// Of each family the driver gets one subnet: that of the chosen address,
    /// or the first with a free one.
    fn endpoint_request(
        &self,
        record: &Container,
        network: &Network,
        member: &Membership,
        ports: Vec<PortMapping>,
    ) -> EndpointRequest {
        let mut config = network.config.clone();
        let one = |family: Family| {
            let own = || {
                network
                    .config
                    .gateways
                    .iter()
                    .filter(|g| g.family() == family)
            };
            let chosen = |g: &&Cidr| member.addresses.iter().any(|a| g.contains(*a));
            let room = |g: &&Cidr| self.pools.has_room(&config.name, g);
            let found = own().find(chosen).or_else(|| own().find(room));
            found.or_else(|| own().next()).copied()
        };
        let gateways = Family::BOTH.into_iter().filter_map(one).collect();
        config.gateways = gateways;
        EndpointRequest {
            network: config,
            endpoint: record.id.as_str().to_owned(),
            mac: member.mac.as_ref().and_then(|mac| mac.parse().ok()),
            ports,
        }
    }

    /// Gives the endpoints' addresses back.
    pub(crate) fn unwire(&self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            for addr in &endpoint.addresses {
                self.pools.release(&endpoint.network, *addr);
            }
        }
    }

    /// The ports to publish on a network that is the way out in `families`.
    fn wanted_ports(
        &self,
        record: &Container,
        network: &Network,
        families: &[Family],
    ) -> Result<Vec<PortMapping>, EngineError> {
        if families.is_empty() {
            return Ok(Vec::new());
        }
        let mut ports = record.spec.ports.clone();
        if record.spec.publish_all {
            ports.extend(self.exposed_ports(record)?);
        }
        // Where each family has another way out, a named address is that one's.
        let own = |p: &PortSpec| {
            p.host_addr
                .is_none_or(|a| families.contains(&Family::of(a)))
        };
        if families.len() < Family::BOTH.len() && self.leads_elsewhere(record, network) {
            ports.retain(own);
        }
        let binding = options::host_binding(&network.config.options);
        ports::mappings(&ports, families, binding.into())
    }

    fn leads_elsewhere(&self, record: &Container, network: &Network) -> bool {
        let others = record
            .networks
            .iter()
            .filter(|m| m.network != network.record.id);
        let mut others = others.filter_map(|m| self.networks.find(&m.network).ok());
        others.any(|n| Family::BOTH.into_iter().any(|family| leads_out(&n, family)))
    }

    fn exposed_ports(&self, record: &Container) -> Result<Vec<PortSpec>, EngineError> {
        let image = self.image(&record.image_id)?;
        let parse = |text: &String| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            Some(PortSpec {
                protocol: protocol.to_owned(),
                container_port: port.parse().ok()?,
                host_addr: None,
                host_port: 0,
                last_host_port: None,
            })
        };
        let taken = |p: &PortSpec| {
            record
                .spec
                .ports
                .iter()
                .any(|q| (q.container_port, &q.protocol) == (p.container_port, &p.protocol))
        };
        Ok(image
            .config
            .exposed_ports
            .iter()
            .filter_map(parse)
            .filter(|p| !taken(p))
            .collect())
    }
}

/// The pools, with the addresses that the user chose instead of the lowest.
struct Chosen<'a> {
    pools: &'a Pools,
    addresses: &'a [IpAddr],
}

impl AddressPool for Chosen<'_> {
    fn allocate(&self, network: &str, subnet: &Cidr) -> Option<IpAddr> {
        let chosen = self.addresses.iter().find(|addr| subnet.contains(**addr));
        match chosen {
            Some(addr) => self.pools.lease(network, *addr).then_some(*addr),
            None => self.pools.allocate(network, subnet),
        }
    }

    fn release(&self, network: &str, addr: IpAddr) {
        self.pools.release(network, addr);
    }
}

pub(super) fn leads_out(network: &Network, family: Family) -> bool {
    network.config.gateway(family).is_some() && !network.record.internal
}

/// Which of the places leads out in a family: the one with the highest
/// priority, of equal ones the first.
fn way_out<'a>(places: impl Iterator<Item = (&'a Network, i64)>, family: Family) -> Option<usize> {
    let leading = places
        .enumerate()
        .filter(|(_, (n, _))| leads_out(n, family));
    let best = leading.min_by_key(|(_, (_, priority))| std::cmp::Reverse(*priority));
    best.map(|(nth, _)| nth)
}

fn gateway_priority(record: &Container, network: &str) -> i64 {
    let mut members = record.networks.iter();
    let member = members.find(|m| m.network == network);
    member.map_or(0, |m| m.gateway_priority)
}

fn endpoint(network: &Network, request: &EndpointRequest, plan: &NetworkPlan) -> Option<Endpoint> {
    if plan.namespace == NetworkNamespace::Host {
        return None;
    }
    let interface = plan.steps.iter().find_map(NetworkStep::link);
    let mac = request
        .mac
        .or_else(|| plan.leases.first().map(|a| MacAddr::of(*a)));
    let gateways = request.network.gateways.iter();
    Some(Endpoint {
        id: random_id().to_string(),
        network: network.record.name.clone(),
        network_id: network.record.id.clone(),
        mac: interface
            .and(mac)
            .map(|m| m.to_string())
            .unwrap_or_default(),
        interface: interface.map(ToString::to_string),
        addresses: plan.leases.clone(),
        gateways: gateways.map(ToString::to_string).collect(),
        ports: published(plan, &plan.leases),
    })
}

/// The ports that a plan publishes to one of `addresses`.
pub(crate) fn published(plan: &NetworkPlan, addresses: &[IpAddr]) -> Vec<PortSpec> {
    let own = plan.steps.iter().filter_map(|step| match step {
        NetworkStep::Publish { mapping, to, .. } if addresses.contains(to) => Some(mapping),
        _ => None,
    });
    let port_spec = |mapping: PortMapping| PortSpec {
        protocol: mapping.protocol.as_str().to_owned(),
        container_port: mapping.container_port,
        host_addr: Some(mapping.host_addr),
        host_port: mapping.host_port,
        last_host_port: None,
    };
    let mut all: Vec<_> = own.flat_map(PortMapping::single).map(port_spec).collect();
    all.sort_by_key(|p| (p.container_port, p.host_addr, p.host_port));
    all
}

#[cfg(test)]
mod tests;
