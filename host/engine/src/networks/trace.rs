//! Why a packet of a container would or would not arrive, step by step.
//!
//! ```text
//! container ─▶ name ─▶ route ─▶ interface ─▶ neighbour ─▶ rule ─▶ listener
//! ```
//!
//! Nothing is sent: records, the kernel's tables in the container's network
//! namespace (proc_pid_net(5)) and those of the target are read.

mod proc;
mod target;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bulkhead_model::container::State;

use crate::Engine;
use crate::container::{Container, Endpoint};
use crate::error::EngineError;
use crate::peers::network_container;
use proc::{Listens, Route};
pub use target::InvalidTarget;
use target::Target;

/// What was found, in the order in which a packet meets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub Vec<Step>);

/// One thing that a packet meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is: `name`, `route`, `rule`, …
    pub at: &'static str,
    /// What becomes of the packet.
    pub outcome: Outcome,
    /// Why, a sentence.
    pub detail: String,
}

/// What becomes of a packet at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Passes,
    /// It ends here.
    Stops,
    /// It cannot be told from here.
    Unknown,
}

/// The walk came to its end.
struct Ended;

impl Trace {
    fn passes(&mut self, at: &'static str, detail: String) {
        let outcome = Outcome::Passes;
        self.0.push(Step {
            at,
            outcome,
            detail,
        });
    }

    fn unknown(&mut self, at: &'static str, detail: String) {
        let outcome = Outcome::Unknown;
        self.0.push(Step {
            at,
            outcome,
            detail,
        });
    }

    fn stops<T>(&mut self, at: &'static str, detail: String) -> Result<T, Ended> {
        let outcome = Outcome::Stops;
        self.0.push(Step {
            at,
            outcome,
            detail,
        });
        Err(Ended)
    }
}

impl Engine {
    /// Follows what `container` would send to `target`: an address or a name,
    /// with `:port` and `/udp` where they matter.
    ///
    /// # Errors
    /// No such container, or no such thing as this target.
    pub fn trace(&self, container: &str, target: &str) -> Result<Trace, EngineError> {
        let target: Target = target.parse().map_err(EngineError::TraceTarget)?;
        let record = self.containers.find(container)?.record();
        let mut trace = Trace::default();
        // Where it ended is the last step.
        let _ = self.follow_packet(&mut trace, &record, &target);
        Ok(trace)
    }

    fn follow_packet(
        &self,
        trace: &mut Trace,
        record: &Arc<Container>,
        target: &Target,
    ) -> Result<(), Ended> {
        let pid = running(trace, record)?;
        if let Some(other) = network_container(&record.spec.network) {
            let Ok(owner) = self.containers.find(other) else {
                return trace.stops(
                    "container",
                    format!("{other}, whose network it shares, is gone"),
                );
            };
            let owner = owner.record();
            let shares = format!("it shares the network of {}", owner.name);
            trace.passes("container", shares);
            return self.follow_packet(trace, &owner, target);
        }
        let address = self.named(trace, record, target)?;
        let IpAddr::V4(address) = address else {
            trace.unknown("route", "IPv6 is not traced".to_owned());
            return Err(Ended);
        };
        let route = routed(trace, pid, address)?;
        let endpoint = self.leaves_by(trace, record, &route)?;
        if let Some(endpoint) = endpoint {
            neighbour(trace, pid, route.gateway.unwrap_or(address))?;
            self.crosses(trace, endpoint, address, target)?;
        }
        self.arrives(trace, endpoint, address, target)
    }

    fn named(
        &self,
        trace: &mut Trace,
        record: &Container,
        target: &Target,
    ) -> Result<IpAddr, Ended> {
        if let Ok(address) = target.host.parse() {
            return Ok(address);
        }
        let name = &target.host;
        if let Some([first, ..]) = self.addresses_of(&record.id, name).as_deref() {
            trace.passes("name", format!("{name} is {first}"));
            return Ok(*first);
        }
        if let Ok(other) = self.containers.find(name) {
            let other = other.record();
            return trace.stops("name", no_name(record, &other));
        }
        let servers = self.forwarders(&record.id).servers;
        let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
        let whom = match servers.is_empty() {
            true => "nobody else is asked from here".to_owned(),
            false => format!(
                "{} are asked; trace the address they give",
                servers.join(", ")
            ),
        };
        trace.unknown("name", format!("no neighbour is called {name}: {whom}"));
        Err(Ended)
    }

    /// The network that a route leads into; `None` for the container's own
    /// loopback and for the host's network.
    fn leaves_by<'r>(
        &self,
        trace: &mut Trace,
        record: &'r Container,
        route: &Route,
    ) -> Result<Option<&'r Endpoint>, Ended> {
        let own = |e: &&Endpoint| e.interface.as_deref() == Some(route.interface.as_str());
        let Some(endpoint) = record.endpoints.iter().find(own) else {
            let where_ = match record.endpoints.is_empty() {
                true => "an interface of the host, whose network it shares",
                false => "an interface of its own",
            };
            trace.passes("interface", format!("{} is {where_}", route.interface));
            return Ok(None);
        };
        let network = self.networks.find(&endpoint.network_id);
        let bridge = network.ok().and_then(|n| n.config.interface.clone());
        if let Some(bridge) = bridge {
            if !proc::interface_is_up(bridge.as_str()) {
                let gone = format!(
                    "bridge {bridge} of network {} is down or gone",
                    endpoint.network
                );
                return trace.stops("interface", gone);
            }
            let on = format!(
                "{} is on network {} (bridge {bridge})",
                route.interface, endpoint.network
            );
            trace.passes("interface", on);
        } else {
            let on = format!("{} is on network {}", route.interface, endpoint.network);
            trace.passes("interface", on);
        }
        Ok(Some(endpoint))
    }

    /// The packet filter between networks.
    fn crosses(
        &self,
        trace: &mut Trace,
        from: &Endpoint,
        to: Ipv4Addr,
        target: &Target,
    ) -> Result<(), Ended> {
        let internal = |e: &Endpoint| {
            let network = self.networks.find(&e.network_id);
            network.is_ok_and(|n| n.record.internal)
        };
        let there = self.endpoint_at(to).map(|(_, endpoint)| endpoint);
        let rule = |detail: &str| format!("chain forward: {detail}");
        match there {
            Some(there) if there.network_id == from.network_id => {
                trace.passes(
                    "rule",
                    rule("iifname . oifname @local accept: the same network"),
                );
                return Ok(());
            }
            Some(there) if internal(from) || internal(&there) => {
                return trace.stops(
                    "rule",
                    rule("@internal drop: nothing enters or leaves an internal network"),
                );
            }
            Some(there) => {
                let apart = format!(
                    "oifname @bridges drop: networks {} and {} are apart; connect the container, or use a published port",
                    from.network, there.network
                );
                return trace.stops("rule", rule(&apart));
            }
            None => {}
        }
        if self.is_host(to) {
            if self.published_at(to, target).is_none() {
                trace.unknown(
                    "rule",
                    format!("{to} is this host: its own input rules decide"),
                );
            }
            return Ok(());
        }
        if internal(from) {
            return trace.stops(
                "rule",
                rule("iifname @internal drop: nothing leaves an internal network"),
            );
        }
        if !proc::forwards() {
            return trace.stops(
                "rule",
                "net.ipv4.ip_forward is 0: this host forwards nothing".to_owned(),
            );
        }
        trace.passes(
            "rule",
            "chain postrouting: masquerade: it leaves with the host's address".to_owned(),
        );
        Ok(())
    }

    /// Who takes it at its destination.
    fn arrives(
        &self,
        trace: &mut Trace,
        from: Option<&Endpoint>,
        to: Ipv4Addr,
        target: &Target,
    ) -> Result<(), Ended> {
        if let Some((there, _)) = self.endpoint_at(to) {
            return heard(trace, &there, to, target.port, target);
        }
        if !self.is_host(to) && from.is_some() {
            trace.unknown("beyond", format!("{to} is beyond this host"));
            return Ok(());
        }
        if let Some((there, at, port)) = self.published_at(to, target) {
            let asked = target.port.unwrap_or_default();
            let dnat = format!(
                "port {asked} is published: it goes to {} ({at}:{port})",
                there.name
            );
            trace.passes("port", dnat);
            return heard(trace, &there, at, Some(port), target);
        }
        let Some(port) = target.port else {
            return Ok(());
        };
        match proc::listens(std::process::id(), target.protocol(), to, port) {
            Listens::Yes => trace.passes(
                "listener",
                format!("a process of the host listens on port {port}"),
            ),
            Listens::OnLoopback => {
                return trace.stops(
                    "listener",
                    format!("on the host, port {port} is open on its loopback only"),
                );
            }
            Listens::No => {
                let none = format!(
                    "no container has published port {port}, and no process of the host listens on it"
                );
                return trace.stops("listener", none);
            }
        }
        Ok(())
    }

    fn endpoint_at(&self, address: Ipv4Addr) -> Option<(Arc<Container>, Endpoint)> {
        self.containers.all().iter().find_map(|entry| {
            let record = entry.record();
            let at = |e: &&Endpoint| e.addresses.contains(&address.into());
            let endpoint = record.endpoints.iter().find(at).cloned()?;
            Some((record, endpoint))
        })
    }

    fn published_at(
        &self,
        to: Ipv4Addr,
        target: &Target,
    ) -> Option<(Arc<Container>, Ipv4Addr, u16)> {
        let asked = target.port?;
        self.containers.all().iter().find_map(|entry| {
            let record = entry.record();
            let found = record.endpoints.iter().find_map(|endpoint| {
                let mut ports = endpoint.ports.iter();
                let port = ports.find(|p| {
                    let here = |host: IpAddr| {
                        host.is_ipv4() && (host.is_unspecified() || host == IpAddr::V4(to))
                    };
                    p.host_port == asked
                        && p.protocol == target.protocol()
                        && p.host_addr.is_none_or(here)
                })?;
                let v4 = |a: &IpAddr| match a {
                    IpAddr::V4(a) => Some(*a),
                    IpAddr::V6(_) => None,
                };
                Some((endpoint.addresses.iter().find_map(v4)?, port.container_port))
            });
            found.map(|(at, port)| (record.clone(), at, port))
        })
    }

    fn is_host(&self, address: Ipv4Addr) -> bool {
        let networks = self.networks.all();
        let mut gateways = networks.iter().flat_map(|n| &n.config.gateways);
        gateways.any(|own| own.addr == IpAddr::V4(address)) || proc::is_local(address)
    }
}

fn running(trace: &mut Trace, record: &Container) -> Result<u32, Ended> {
    let State::Running { pid, .. } = &record.state else {
        return trace.stops("container", format!("{} does not run", record.name));
    };
    trace.passes("container", format!("{} runs", record.name));
    Ok(*pid)
}

fn no_name(record: &Container, other: &Container) -> String {
    let names = |c: &Container| {
        let names: Vec<_> = c.networks.iter().map(|m| m.name.clone()).collect();
        names.join(", ")
    };
    if !other.state.is_running() {
        return format!("{} does not run: nobody is called so", other.name);
    }
    format!(
        "{} is on {}, {} on {}: they share no network with names (the default bridge has none)",
        other.name,
        names(other),
        record.name,
        names(record)
    )
}

fn routed(trace: &mut Trace, pid: u32, address: Ipv4Addr) -> Result<Route, Ended> {
    let Some(route) = proc::route(pid, address) else {
        return trace.stops(
            "route",
            format!("no route to {address}: network is unreachable"),
        );
    };
    let how = match route.gateway {
        Some(gateway) => format!("{address} by way of {gateway} on {}", route.interface),
        None => format!("{address} is on the link of {}", route.interface),
    };
    trace.passes("route", how);
    Ok(route)
}

fn neighbour(trace: &mut Trace, pid: u32, next: Ipv4Addr) -> Result<(), Ended> {
    match proc::neighbour(pid, next) {
        Some(Some(mac)) => trace.passes("neighbour", format!("{next} is at {mac}")),
        Some(None) => {
            return trace.stops(
                "neighbour",
                format!("{next} does not answer ARP: nobody has the address"),
            );
        }
        None => trace.unknown("neighbour", format!("{next} was not asked for yet")),
    }
    Ok(())
}

fn heard(
    trace: &mut Trace,
    there: &Container,
    at: Ipv4Addr,
    port: Option<u16>,
    target: &Target,
) -> Result<(), Ended> {
    let State::Running { pid, .. } = &there.state else {
        return trace.stops("listener", format!("{} does not run", there.name));
    };
    let Some(port) = port else {
        trace.passes(
            "listener",
            format!("{at} is {}; name a port to see who listens", there.name),
        );
        return Ok(());
    };
    let protocol = target.protocol();
    match proc::listens(*pid, protocol, at, port) {
        Listens::Yes => trace.passes(
            "listener",
            format!("{} listens on {protocol} port {port}", there.name),
        ),
        Listens::OnLoopback => {
            let only = format!(
                "in {}, {protocol} port {port} is open on its loopback only: bind 0.0.0.0",
                there.name
            );
            return trace.stops("listener", only);
        }
        Listens::No => {
            return trace.stops(
                "listener",
                format!(
                    "nothing listens on {protocol} port {port} in {}",
                    there.name
                ),
            );
        }
    }
    Ok(())
}
