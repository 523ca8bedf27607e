//! Connecting one endpoint, and taking it away again.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_model::network::{
    Cidr, Family, IfName, MacAddr, NetworkNamespace, NetworkPlan, NetworkStep, ResolverSockets,
    SubLink,
};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{Address, Namespace, Peer, Route, RouteSocket, Veth, in_namespace};

use super::context::{NetworkContext, set_sysctl};
use super::error::NetworkError;
use super::ports::PortReservation;
use super::{bridge, parent, publish, resolver};

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
    /// Delete a link in the container's namespace.
    Inside(u32),
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
            NetworkStep::Bridge { name, addrs } => {
                for addr in addrs {
                    context.firewall(addr.family()).admit(name.as_str())?;
                }
            }
            NetworkStep::Isolate { bridge } => isolate(plan, bridge, context)?,
            NetworkStep::Masquerade { source, bridge } => {
                let mut firewall = context.firewall(source.family());
                firewall.masquerade(*source, bridge.as_str())?;
            }
            NetworkStep::Publish { .. }
            | NetworkStep::Veth { .. }
            | NetworkStep::SubLink { .. }
            | NetworkStep::Addr { .. }
            | NetworkStep::Route { .. }
            | NetworkStep::Resolver => {}
        }
    }
    publish::publish_again(&publish::planned(plan, endpoint), context)
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
        let mut steps = plan.steps.iter();
        steps.try_for_each(|step| self.apply(plan, step))?;
        self.publish(plan)
    }

    fn apply(&mut self, plan: &NetworkPlan, step: &NetworkStep) -> Result<(), NetworkError> {
        match step {
            NetworkStep::Bridge { name, addrs } => {
                let said = bridge::ensure(&self.context, name, addrs)?;
                self.warnings.extend(said);
                Ok(())
            }
            NetworkStep::Resolver => self.resolver(),
            NetworkStep::Isolate { bridge } => isolate(plan, bridge, &self.context),
            NetworkStep::Veth { .. } => self.veth(plan, step),
            NetworkStep::SubLink {
                inner,
                parent,
                kind,
                mtu,
                mac,
            } => self.sub_link(inner, parent, *kind, (*mtu, mac_of(plan, inner, *mac))),
            NetworkStep::Addr { ifname, addr } => self.address(ifname, *addr),
            NetworkStep::Route { dest, via } => self.route(*dest, *via),
            NetworkStep::Masquerade { source, bridge } => self.masquerade(*source, bridge),
            // All at once, when everything else is there.
            NetworkStep::Publish { .. } => Ok(()),
        }
    }

    fn veth(&mut self, plan: &NetworkPlan, step: &NetworkStep) -> Result<(), NetworkError> {
        let NetworkStep::Veth {
            inner,
            bridge,
            mtu,
            mac,
            isolated,
        } = step
        else {
            return Ok(());
        };
        let namespace = inside(&mut self.namespace, "a link")?;
        let name = outer_name(&self.endpoint, inner);
        let failed = |source| veth_failed(&name, source);
        let mut host = self.context.route();
        let master = bridge.as_ref().map(|b| index_of(&mut host, b));
        let master = master.transpose()?;
        let veth = Veth {
            name: &name,
            master,
            hairpin: master.is_some() && publish::families(plan).next().is_some(),
            isolated: master.is_some() && *isolated,
            mtu: *mtu,
            peer: Peer {
                name: inner.as_str(),
                mac: mac_of(plan, inner, *mac).map(|mac| mac.0),
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
        let up = bring_up(namespace, inner, failed)?;
        self.inner.push(up);
        Ok(())
    }

    /// It disappears with its namespace, and is taken back with it.
    fn sub_link(
        &mut self,
        inner: &IfName,
        parent: &IfName,
        kind: SubLink,
        hardware: (u32, Option<MacAddr>),
    ) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "a link")?;
        let fd = namespace.fd.as_fd();
        parent::share(&self.context, inner, parent, kind, hardware, fd)?;
        let failed = |source| NetworkError::Parent {
            name: parent.to_string(),
            source,
        };
        let up = bring_up(namespace, inner, failed)?;
        self.undo.push(Undo::Inside(up.1));
        self.inner.push(up);
        Ok(())
    }

    fn address(&mut self, ifname: &IfName, addr: Cidr) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "an address")?;
        let found = self.inner.iter().find(|(name, _)| name == ifname.as_str());
        let (_, link) = found.ok_or_else(|| NetworkError::NoSuchInterface(ifname.to_string()))?;
        if addr.family() == Family::V6 {
            in_namespace(namespace.fd.as_fd(), || open_ipv6(ifname))
                .map_err(NetworkError::Namespace)??;
        }
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
        // The way out moves when a network comes that is to be it.
        let set = match dest.prefix {
            0 => namespace.route.replace_route(&route),
            _ => namespace.route.add_route(&route),
        };
        set.map_err(|source| configure_failed(&dest, source))
    }

    fn masquerade(&mut self, source: Cidr, bridge: &IfName) -> Result<(), NetworkError> {
        let family = source.family();
        let said = self.context.forward(family)?;
        self.warnings.extend(said.map(str::to_owned));
        let mut firewall = self.context.firewall(family);
        firewall.masquerade(source, bridge.as_str())?;
        self.warnings.extend(firewall.warning.clone());
        Ok(())
    }

    fn resolver(&mut self) -> Result<(), NetworkError> {
        let namespace = inside(&mut self.namespace, "a resolver")?;
        self.resolver = Some(resolver::sockets(namespace.fd.as_fd())?);
        Ok(())
    }

    fn publish(&mut self, plan: &NetworkPlan) -> Result<(), NetworkError> {
        let ports = publish::planned(plan, &self.endpoint);
        if ports.is_empty() {
            return Ok(());
        }
        self.undo.push(Undo::Ports);
        self.reservations = publish::publish(&ports, &self.context)?;
        Ok(())
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
        let mut one = |undo: &Undo| match undo {
            Undo::Ports => {
                let withdraw = |f| self.context.firewall(f).withdraw(&self.endpoint);
                Family::BOTH.map(withdraw).into_iter().find_map(Result::err)
            }
            Undo::Inside(link) => {
                let namespace = self.namespace.as_mut()?;
                let deleted = namespace.route.delete_link_by_index(*link);
                deleted.err().map(|source| veth_failed("eth", source))
            }
            Undo::Link(name) => {
                let deleted = self.context.route().delete_link(name);
                deleted.err().map(|source| veth_failed(name, source))
            }
        };
        undo.iter().filter_map(&mut one).collect()
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

/// Closes a bridge in the families that the plan gives it.
fn isolate(
    plan: &NetworkPlan,
    bridge: &IfName,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    for step in &plan.steps {
        if let NetworkStep::Bridge { name, addrs } = step
            && name == bridge
        {
            for addr in addrs {
                context.firewall(addr.family()).isolate(bridge.as_str())?;
            }
        }
    }
    Ok(())
}

fn bring_up(
    namespace: &mut Namespace,
    inner: &IfName,
    failed: impl Fn(sys::Error) -> NetworkError,
) -> Result<(String, u32), NetworkError> {
    let link = namespace.route.bring_up(inner.as_str()).map_err(failed)?;
    let link = link.ok_or_else(|| NetworkError::NoSuchInterface(inner.to_string()))?;
    Ok((inner.to_string(), link.index))
}

/// IPv6 on, in the calling thread's namespace: deaf to the neighbours' router
/// advertisements, and without duplicate detection, which would delay the
/// first packet by a second; leases are unique.
fn open_ipv6(ifname: &IfName) -> Result<(), NetworkError> {
    for (setting, value) in [
        ("accept_ra", "0"),
        ("accept_dad", "0"),
        ("disable_ipv6", "0"),
    ] {
        let path = format!("/proc/sys/net/ipv6/conf/{ifname}/{setting}");
        set_sysctl(&path, value)?;
    }
    Ok(())
}

/// The hardware address of an interface is the user's, or follows from its
/// first address.
fn mac_of(plan: &NetworkPlan, inner: &IfName, chosen: Option<MacAddr>) -> Option<MacAddr> {
    let first = || {
        plan.steps.iter().find_map(|step| match step {
            NetworkStep::Addr { ifname, addr } if ifname == inner => Some(MacAddr::of(addr.addr)),
            _ => None,
        })
    };
    chosen.or_else(first)
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

pub(super) fn veth_failed(name: &str, source: sys::Error) -> NetworkError {
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
