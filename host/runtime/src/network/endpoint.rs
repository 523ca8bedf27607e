//! Connecting one endpoint, and taking it away again.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_model::network::{
    Cidr, IfName, NetworkNamespace, NetworkPlan, NetworkStep, PortMapping, ResolverSockets,
};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{Address, Namespace, Peer, Route, RouteSocket, Veth};

use super::bridge;
use super::context::NetworkContext;
use super::error::NetworkError;
use super::firewall::Published;
use super::ports::PortReservation;
use super::resolver;

/// A connected endpoint that is disconnected on drop unless it is kept.
#[derive(Debug)]
pub struct Attached {
    context: NetworkContext,
    endpoint: String,
    namespace: Option<Namespace>,
    reservations: Vec<PortReservation>,
    resolver: Option<ResolverSockets>,
    warnings: Vec<String>,
    /// The interfaces inside: name and index, in the order they were made.
    inner: Vec<(String, u32)>,
    undo: Vec<Undo>,
}

/// What is left of a kept [`Attached`].
#[derive(Debug)]
pub struct Connection {
    /// The container's network namespace; `None` is the host's. The container
    /// keeps it alive once a process is in it; while this is open, so does
    /// this.
    pub netns: Option<OwnedFd>,
    /// The published ports' sockets. See the [module's page](super).
    pub reservations: Vec<PortReservation>,
    /// The resolver's sockets, where it was ordered.
    pub resolver: Option<ResolverSockets>,
    /// What the user should know, each a sentence.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
enum Undo {
    /// Delete the host's end of a pair, and with it the end inside.
    Link(String),
    /// Stop forwarding every port of the endpoint.
    Ports,
}

/// Carries out `plan` for `endpoint` (the container's id). On failure what was
/// done for the endpoint is taken back.
pub fn attach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<Attached, NetworkError> {
    attach_in(plan, endpoint, context, None)
}

/// [`attach`] into a network namespace that is there already, for a plan that
/// wants one of its own: one that a user namespace owns cannot be made here.
pub fn attach_in(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
    given: Option<BorrowedFd<'_>>,
) -> Result<Attached, NetworkError> {
    let mut attached = Attached {
        context: context.clone(),
        endpoint: endpoint.to_owned(),
        namespace: None,
        reservations: Vec::new(),
        resolver: None,
        warnings: Vec::new(),
        inner: Vec::new(),
        undo: Vec::new(),
    };
    match attached.carry_out(plan, given) {
        Ok(()) => Ok(attached),
        Err(step) => Err(attached.back_out(step)),
    }
}

/// Takes away what an endpoint holds: its ports at once; its links are cut off
/// at once and disappear with the namespace, or are deleted a little later if
/// something keeps that alive. Missing things are fine.
pub fn detach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    let ports = match publishes(plan) {
        true => context.firewall().withdraw(endpoint),
        false => Ok(()),
    };
    let inner = plan.steps.iter().filter_map(|step| match step {
        NetworkStep::Veth { inner, .. } => Some(inner),
        _ => None,
    });
    for inner in inner {
        let name = outer_name(endpoint, inner);
        let failed = |source| veth_failed(&name, source);
        let mut route = context.route();
        let Some(link) = route.link(&name).map_err(failed)? else {
            continue;
        };
        match route.disable_port(link.index) {
            Err(error) if gone(&error) => {}
            other => other.map_err(failed)?,
        }
        context.housekeeper().delete_later(link.index);
    }
    ports
}

/// Takes one link of an endpoint that goes on, and the ports that `plan`
/// publishes on that link's bridge. Missing things are fine.
pub fn detach_link(
    plan: &NetworkPlan,
    endpoint: &str,
    link: &IfName,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    let veth = plan.steps.iter().find_map(|step| match step {
        NetworkStep::Veth { inner, bridge, .. } if inner == link => Some(bridge),
        _ => None,
    });
    for step in &plan.steps {
        if let NetworkStep::Publish { to, bridge, .. } = step
            && veth.is_some_and(|b| b.as_ref() == Some(bridge))
        {
            context.firewall().withdraw_from(endpoint, *to)?;
        }
    }
    let name = outer_name(endpoint, link);
    let deleted = context.route().delete_link(&name);
    deleted
        .map(drop)
        .map_err(|source| veth_failed(&name, source))
}

/// Writes the packet-filter entries of an endpoint that is connected again:
/// for running containers at the daemon's start, and after somebody flushed
/// the ruleset. Entries that are there stay.
pub fn restore(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    for step in &plan.steps {
        match step {
            NetworkStep::Bridge { name, .. } => context.firewall().admit(name.as_str())?,
            NetworkStep::Isolate { bridge } => context.firewall().isolate(bridge.as_str())?,
            NetworkStep::Masquerade { source, bridge } => {
                context.firewall().masquerade(*source, bridge.as_str())?;
            }
            NetworkStep::Publish { mapping, to, .. } => {
                let wanted = published(endpoint, mapping, *to);
                let mut firewall = context.firewall();
                if !firewall.published()?.contains(&wanted) {
                    firewall.check_free(mapping)?;
                    firewall.publish(&wanted)?;
                }
            }
            NetworkStep::Veth { .. }
            | NetworkStep::Addr { .. }
            | NetworkStep::Route { .. }
            | NetworkStep::Resolver => {}
        }
    }
    Ok(())
}

impl Attached {
    /// The container's network namespace; `None` is the host's.
    pub fn netns(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(|n| n.fd.as_fd())
    }

    /// Leaves the endpoint connected.
    pub fn keep(mut self) -> Connection {
        self.undo.clear();
        Connection {
            netns: self.namespace.take().map(|namespace| namespace.fd),
            reservations: std::mem::take(&mut self.reservations),
            resolver: self.resolver.take(),
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    fn carry_out(
        &mut self,
        plan: &NetworkPlan,
        given: Option<BorrowedFd<'_>>,
    ) -> Result<(), NetworkError> {
        if plan.namespace == NetworkNamespace::Private {
            let namespace = match given {
                Some(given) => Namespace::adopt(given),
                None => self.context.housekeeper().namespace(),
            };
            self.namespace = Some(namespace.map_err(NetworkError::Namespace)?);
        }
        plan.steps
            .iter()
            .try_for_each(|step| self.apply(plan, step))
    }

    fn apply(&mut self, plan: &NetworkPlan, step: &NetworkStep) -> Result<(), NetworkError> {
        match step {
            NetworkStep::Bridge { name, addr } => bridge::ensure(&self.context, name, *addr),
            NetworkStep::Resolver => self.resolver(),
            NetworkStep::Isolate { bridge } => self.context.firewall().isolate(bridge.as_str()),
            NetworkStep::Veth { inner, bridge, mtu } => {
                self.veth(plan, inner, bridge.as_ref(), *mtu)
            }
            NetworkStep::Addr { ifname, addr } => self.address(ifname, *addr),
            NetworkStep::Route { dest, via } => self.route(*dest, *via),
            NetworkStep::Masquerade { source, bridge } => self.masquerade(*source, bridge),
            NetworkStep::Publish { mapping, to, .. } => self.publish(mapping, *to),
        }
    }

    fn veth(
        &mut self,
        plan: &NetworkPlan,
        inner: &IfName,
        bridge: Option<&IfName>,
        mtu: u32,
    ) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "a link")?;
        let name = outer_name(&self.endpoint, inner);
        let failed = |source| veth_failed(&name, source);
        let mut host = self.context.route();
        let master = bridge.map(|b| index_of(&mut host, b)).transpose()?;
        let veth = Veth {
            name: &name,
            master,
            hairpin: master.is_some() && publishes(plan),
            mtu,
            peer: Peer {
                name: inner.as_str(),
                mac: mac_of(plan, inner),
                namespace: namespace.fd.as_fd(),
            },
        };
        self.undo.push(Undo::Link(name.clone()));
        match host.create_veth(&veth) {
            // The endpoint's link of an earlier run, not yet gone with its namespace.
            Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => {
                host.delete_link(&name).map_err(failed)?;
                host.create_veth(&veth).map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        drop(host);
        let link = namespace.route.bring_up(inner.as_str()).map_err(failed)?;
        let link = link.ok_or_else(|| NetworkError::NoSuchInterface(inner.to_string()))?;
        self.inner.push((inner.to_string(), link.index));
        Ok(())
    }

    fn address(&mut self, ifname: &IfName, addr: Cidr) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "an address")?;
        let found = self.inner.iter().find(|(name, _)| name == ifname.as_str());
        let (_, link) = found.ok_or_else(|| NetworkError::NoSuchInterface(ifname.to_string()))?;
        let address = Address {
            link: *link,
            addr: addr.addr,
            prefix: addr.prefix,
        };
        let added = namespace.route.add_address(&address);
        added.map_err(|source| configure_failed(&addr, source))
    }

    /// A route without a next hop leaves by the interface made last.
    fn route(&mut self, dest: Cidr, via: Option<IpAddr>) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "a route")?;
        let last = self.inner.last().map_or(0, |(_, index)| *index);
        let route = Route {
            dest: dest.network(),
            prefix: dest.prefix,
            via,
            link: if via.is_some() { 0 } else { last },
        };
        let added = namespace.route.add_route(&route);
        added.map_err(|source| configure_failed(&dest, source))
    }

    fn masquerade(&mut self, source: Cidr, bridge: &IfName) -> Result<(), NetworkError> {
        self.context.forward()?;
        let mut firewall = self.context.firewall();
        firewall.masquerade(source, bridge.as_str())?;
        self.warnings.extend(firewall.warning.clone());
        Ok(())
    }

    fn resolver(&mut self) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "a resolver")?;
        self.resolver = Some(resolver::sockets(namespace.fd.as_fd())?);
        Ok(())
    }

    fn publish(&mut self, mapping: &PortMapping, to: Ipv4Addr) -> Result<(), NetworkError> {
        let mut firewall = self.context.firewall();
        firewall.check_free(mapping)?;
        self.reservations.push(PortReservation::take(mapping)?);
        self.undo.push(Undo::Ports);
        firewall.publish(&published(&self.endpoint, mapping, to))
    }

    /// Takes back what was done and joins errors of that to the step's.
    fn back_out(mut self, step: NetworkError) -> NetworkError {
        match self.take_back() {
            undo if undo.is_empty() => step,
            undo => NetworkError::Undo {
                step: Box::new(step),
                undo,
            },
        }
    }

    fn take_back(&mut self) -> Vec<NetworkError> {
        let undo: Vec<_> = self.undo.drain(..).rev().collect();
        let one = |undo: &Undo| match undo {
            Undo::Ports => self.context.firewall().withdraw(&self.endpoint).err(),
            Undo::Link(name) => {
                let deleted = self.context.route().delete_link(name);
                deleted.err().map(|source| veth_failed(name, source))
            }
        };
        undo.iter().filter_map(one).collect()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // There is nobody left to tell; `attach` reports its own failures.
        let _ = self.take_back();
    }
}

/// The name of the host's end of the pair whose other end is `inner`: `bh` and
/// 44 bits of the endpoint's id, which is random, or of a hash.
pub(super) fn outer_name(endpoint: &str, inner: &IfName) -> String {
    match endpoint.get(..11) {
        Some(start) if inner.as_str() == "eth0" && start.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("bh{}", start.to_ascii_lowercase())
        }
        _ => {
            let hash = fnv(format!("{inner} {endpoint}").as_bytes());
            format!("bh{:011x}", hash >> 20)
        }
    }
}

/// FNV-1a. The standard library's hash may change with its version, and a
/// running container's link must be found after an upgrade.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn publishes(plan: &NetworkPlan) -> bool {
    let publish = |step: &NetworkStep| matches!(step, NetworkStep::Publish { .. });
    plan.steps.iter().any(publish)
}

/// The hardware address of an interface follows from its first address.
fn mac_of(plan: &NetworkPlan, inner: &IfName) -> Option<[u8; 6]> {
    plan.steps.iter().find_map(|step| match step {
        NetworkStep::Addr { ifname, addr } if ifname == inner => bridge::mac(addr.addr),
        _ => None,
    })
}

fn inside<'n>(
    namespace: &'n mut Option<Namespace>,
    ordered: &'static str,
) -> Result<&'n mut Namespace, NetworkError> {
    namespace
        .as_mut()
        .ok_or(NetworkError::HostNamespace(ordered))
}

fn index_of(route: &mut RouteSocket, bridge: &IfName) -> Result<u32, NetworkError> {
    let link = route
        .link(bridge.as_str())
        .map_err(NetworkError::Inspect)?
        .ok_or_else(|| NetworkError::NoSuchBridge(bridge.to_string()))?;
    match link.kind.as_str() {
        "bridge" => Ok(link.index),
        _ => Err(NetworkError::NotABridge {
            name: link.name,
            kind: link.kind,
        }),
    }
}

pub(super) fn published(endpoint: &str, mapping: &PortMapping, to: Ipv4Addr) -> Published {
    Published {
        endpoint: endpoint.to_owned(),
        mapping: mapping.clone(),
        to,
    }
}

/// Whether a link went away meanwhile, or is no port of a bridge any more.
fn gone(error: &sys::Error) -> bool {
    use nix::libc::{EINVAL, ENETDOWN, ENODEV, EOPNOTSUPP};
    [ENODEV, EINVAL, EOPNOTSUPP, ENETDOWN].contains(&error.errno())
}

fn veth_failed(name: &str, source: sys::Error) -> NetworkError {
    NetworkError::Veth {
        name: name.to_owned(),
        source,
    }
}

fn configure_failed(what: &Cidr, source: sys::Error) -> NetworkError {
    NetworkError::Configure {
        what: what.to_string(),
        source,
    }
}
