//! Asks the drivers of a container's networks, and makes one plan of their
//! answers.

use std::net::IpAddr;

use bulkhead_model::network::{
    AddressPool, Cidr, EndpointRequest, IfName, NetworkNamespace, NetworkPlan, NetworkStep,
    PortMapping, Protocol,
};

use crate::container::{Container, Endpoint, Membership, PluginRecord};
use crate::error::EngineError;
use crate::networks::Network;
use crate::peers::network_container;
use crate::spec::PortSpec;
use crate::{Engine, random_id};

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
        let outward = joined.iter().position(|(n, _)| leads_out(n));
        for (nth, (network, member)) in joined.iter().enumerate() {
            let ports = match outward == Some(nth) {
                true => self.wanted_ports(record)?,
                false => Vec::new(),
            };
            let request = request(record, network, ports);
            let plan = self.ask(network, member, &request)?;
            wiring
                .plugin
                .get_or_insert(network.driver.identity().into());
            wiring.endpoints.extend(endpoint(network, &request, &plan));
            merge(&mut wiring.plan, plan, network, outward == Some(nth));
        }
        if joined.iter().any(|(n, _)| n.record.has_names()) {
            wiring.plan.steps.push(NetworkStep::Resolver);
        }
        Ok(())
    }

    /// One more network for a container that runs: its plan, with interfaces
    /// counted on from those in `record`, and no way out but the first one's.
    pub(crate) fn wire_more(
        &self,
        record: &Container,
        network: &Network,
        member: &Membership,
        links: usize,
    ) -> Result<(NetworkPlan, Option<Endpoint>), EngineError> {
        let request = request(record, network, Vec::new());
        let plan = self.ask(network, member, &request)?;
        let endpoint = endpoint(network, &request, &plan);
        let mut merged = NetworkPlan::default();
        let has_way_out = record.endpoints.iter().any(|e| self.is_way_out(e));
        let outward = !has_way_out && leads_out(network);
        merge(&mut merged, plan, network, outward);
        rename_links(&mut merged.steps, links);
        if network.record.has_names() && !self.has_names(record) {
            merged.steps.push(NetworkStep::Resolver);
        }
        Ok((merged, endpoint))
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
        let Some(address) = member.address else {
            return Ok(network.driver.attach(&self.pools, request)?);
        };
        let address = IpAddr::V4(address);
        if self.pools.is_leased(&network.config.name, address) {
            return Err(EngineError::AddressInUse);
        }
        let pool = Chosen {
            pool: &self.pools,
            address,
        };
        Ok(network.driver.attach(&pool, request)?)
    }

    /// Gives the endpoints' addresses back.
    pub(crate) fn unwire(&self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            for addr in &endpoint.addresses {
                self.pools.release(&endpoint.network, *addr);
            }
        }
    }

    fn wanted_ports(&self, record: &Container) -> Result<Vec<PortMapping>, EngineError> {
        let mut ports = record.spec.ports.clone();
        if record.spec.publish_all {
            ports.extend(self.exposed_ports(record)?);
        }
        ports.iter().map(mapping).collect()
    }

    fn exposed_ports(&self, record: &Container) -> Result<Vec<PortSpec>, EngineError> {
        let image = self.image(&record.image_id)?;
        let parse = |text: &String| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            Some(PortSpec {
                protocol: protocol.to_owned(),
                container_port: port.parse().ok()?,
                host_addr: [0, 0, 0, 0].into(),
                host_port: 0,
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

/// A pool whose first lease is the address that the user chose.
struct Chosen<'a> {
    pool: &'a dyn AddressPool,
    address: IpAddr,
}

impl AddressPool for Chosen<'_> {
    fn allocate(&self, network: &str, want: Option<IpAddr>) -> Option<IpAddr> {
        self.pool.allocate(network, want.or(Some(self.address)))
    }

    fn release(&self, network: &str, addr: IpAddr) {
        self.pool.release(network, addr);
    }
}

pub(super) fn leads_out(network: &Network) -> bool {
    network.config.gateway.is_some() && !network.record.internal
}

fn request(record: &Container, network: &Network, ports: Vec<PortMapping>) -> EndpointRequest {
    EndpointRequest {
        network: network.config.clone(),
        endpoint: record.id.as_str().to_owned(),
        ports,
    }
}

/// Adds a network's plan to those before it. Drivers know of one network
/// each: every one calls its interface `eth0` and makes it the way out. Here
/// interfaces are counted on, one network only is the way out, and an
/// internal network has none.
fn merge(into: &mut NetworkPlan, plan: NetworkPlan, network: &Network, outward: bool) {
    if plan.namespace == NetworkNamespace::Host {
        into.namespace = NetworkNamespace::Host;
    }
    let mut steps = plan.steps;
    rename_links(&mut steps, links(&into.steps));
    let internal = network.record.internal;
    for step in steps {
        let closed = match &step {
            NetworkStep::Bridge { name, .. } if internal => Some(name.clone()),
            _ => None,
        };
        let kept = match &step {
            NetworkStep::Route { dest, .. } => dest.prefix != 0 || outward,
            NetworkStep::Masquerade { .. } => !internal,
            _ => true,
        };
        into.steps.extend(kept.then_some(step));
        into.steps
            .extend(closed.map(|bridge| NetworkStep::Isolate { bridge }));
    }
    into.leases.extend(plan.leases);
}

fn links(steps: &[NetworkStep]) -> usize {
    let veth = |step: &&NetworkStep| matches!(step, NetworkStep::Veth { .. });
    steps.iter().filter(veth).count()
}

/// `eth0` becomes `eth<first>`, and so on.
fn rename_links(steps: &mut [NetworkStep], first: usize) {
    let renamed = |name: &IfName| {
        let number: usize = name.as_str().strip_prefix("eth")?.parse().ok()?;
        IfName::new(&format!("eth{}", number + first))
    };
    for step in steps {
        if let NetworkStep::Veth { inner: name, .. } | NetworkStep::Addr { ifname: name, .. } = step
            && let Some(new) = renamed(name)
        {
            *name = new;
        }
    }
}

fn endpoint(network: &Network, request: &EndpointRequest, plan: &NetworkPlan) -> Option<Endpoint> {
    if plan.namespace == NetworkNamespace::Host {
        return None;
    }
    Some(Endpoint {
        id: random_id().to_string(),
        network: network.record.name.clone(),
        network_id: network.record.id.clone(),
        interface: plan.steps.iter().find_map(|step| match step {
            NetworkStep::Veth { inner, .. } => Some(inner.to_string()),
            _ => None,
        }),
        addresses: plan.leases.clone(),
        gateway: network.config.gateway.map(|g| g.addr),
        prefix: network.config.gateway.map_or(0, |g| g.prefix),
        ports: request.ports.iter().map(port_spec).collect(),
    })
}

fn port_spec(mapping: &PortMapping) -> PortSpec {
    PortSpec {
        protocol: mapping.protocol.as_str().to_owned(),
        container_port: mapping.container_port,
        host_addr: mapping.host_addr,
        host_port: mapping.host_port,
    }
}

/// The ports that a plan publishes to addresses of a subnet.
pub(crate) fn published(plan: &NetworkPlan, subnet: Option<Cidr>) -> Vec<PortSpec> {
    let port = |step: &NetworkStep| match step {
        NetworkStep::Publish { mapping, to, .. }
            if subnet.is_some_and(|s| s.contains(IpAddr::V4(*to))) =>
        {
            Some(port_spec(mapping))
        }
        _ => None,
    };
    plan.steps.iter().filter_map(port).collect()
}

/// A port with its host port set: one the kernel calls free now when the
/// user named none.
fn mapping(port: &PortSpec) -> Result<PortMapping, EngineError> {
    let protocol = match port.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => {
            return Err(EngineError::Port(format!(
                "invalid port protocol {other:?}: expected tcp or udp"
            )));
        }
    };
    let host_port = match port.host_port {
        0 => free_port(protocol, port).ok_or_else(|| {
            EngineError::Port(format!(
                "no free {} port on {}",
                port.protocol, port.host_addr
            ))
        })?,
        port => port,
    };
    Ok(PortMapping {
        protocol,
        host_addr: port.host_addr,
        host_port,
        container_port: port.container_port,
    })
}

fn free_port(protocol: Protocol, port: &PortSpec) -> Option<u16> {
    let addr = (port.host_addr, 0);
    let bound = match protocol {
        Protocol::Tcp => std::net::TcpListener::bind(addr).and_then(|s| s.local_addr()),
        Protocol::Udp => std::net::UdpSocket::bind(addr).and_then(|s| s.local_addr()),
    };
    bound.ok().map(|a| a.port())
}

#[cfg(test)]
mod tests;
