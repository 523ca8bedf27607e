//! A network's bridge.

use bulkhead_model::network::{Cidr, Family, IfName, MacAddr};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{Address, Link, RouteSocket};

use super::context::{NetworkContext, set_sysctl};
use super::error::NetworkError;

/// The bridge exists, is up and has its addresses; what the user should know.
/// The addresses come last: a bridge that has them is completely set up.
pub(super) fn ensure(
    context: &NetworkContext,
    name: &IfName,
    addrs: &[Cidr],
) -> Result<Vec<String>, NetworkError> {
    let mut route = context.route();
    let failed = |source| failed(name, source);
    let link = match route.link(name.as_str()).map_err(failed)? {
        Some(link) => link,
        None => create(&mut route, name, addrs, context.mark())?,
    };
    if link.kind != "bridge" {
        return Err(NetworkError::NotABridge {
            name: link.name,
            kind: link.kind,
        });
    }
    if !link.up {
        route.set_up(link.index).map_err(failed)?;
    }
    let missing = missing(&mut route, name, &link, addrs)?;
    let mut warnings = Vec::new();
    for addr in missing {
        let family = addr.family();
        open_family(name, family)?;
        warnings.extend(context.forward(family)?.map(str::to_owned));
        context.firewall(family).admit(name.as_str())?;
        let address = Address {
            link: link.index,
            addr: addr.addr,
            prefix: addr.prefix,
        };
        match route.add_address(&address) {
            Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.map_err(failed)?,
        }
    }
    Ok(warnings)
}

/// Removes a network: its interface, if it was made here, and its entries in
/// the packet filter. Missing things are fine.
pub fn remove_network(interface: &IfName, context: &NetworkContext) -> Result<(), NetworkError> {
    let failed = |source| failed(interface, source);
    let mut route = context.route();
    let link = route.link(interface.as_str()).map_err(failed)?;
    // The user may have given the network a bridge or a parent of the host's.
    let deleted = match link {
        Some(link) if link.alias == context.mark() => route.delete_link_by_index(link.index),
        _ => Ok(false),
    };
    drop(route);
    for family in Family::BOTH {
        context.firewall(family).forget(interface.as_str())?;
    }
    deleted.map(drop).map_err(failed)
}

/// The hardware address follows from the first address, as for containers. A
/// fixed one keeps the bridge from taking its lowest port's, which changes.
fn create(
    route: &mut RouteSocket,
    name: &IfName,
    addrs: &[Cidr],
    mark: &str,
) -> Result<Link, NetworkError> {
    let first = addrs.first().map_or(Family::V4.unspecified(), |a| a.addr);
    match route.create_bridge(name.as_str(), MacAddr::of(first).0, mark) {
        // Another daemon was faster.
        Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.map_err(|source| failed(name, source))?,
    }
    close_ipv6(name)?;
    let link = route.link(name.as_str()).map_err(|e| failed(name, e))?;
    link.ok_or_else(|| NetworkError::NoSuchBridge(name.to_string()))
}

/// Those of `addrs` that the bridge lacks; an error when it has others of the
/// family instead. Its link-local address is the kernel's.
fn missing(
    route: &mut RouteSocket,
    name: &IfName,
    link: &Link,
    addrs: &[Cidr],
) -> Result<Vec<Cidr>, NetworkError> {
    let all = route.addresses().map_err(NetworkError::Inspect)?;
    let of_bridge = all.iter().filter(|a| a.link == link.index);
    let own: Vec<_> = of_bridge
        .map(|a| Cidr {
            addr: a.addr,
            prefix: a.prefix,
        })
        .filter(|cidr| !is_link_local(cidr))
        .collect();
    let mut missing = Vec::new();
    for wanted in addrs.iter().filter(|wanted| !own.contains(wanted)) {
        let other = own.iter().find(|o| o.family() == wanted.family());
        if let Some(found) = other {
            return Err(NetworkError::BridgeAddress {
                name: name.to_string(),
                found: *found,
                wanted: *wanted,
            });
        }
        missing.push(*wanted);
    }
    Ok(missing)
}

/// RFC 4291 section 2.5.6.
fn is_link_local(cidr: &Cidr) -> bool {
    matches!(cidr.addr, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// No IPv6 unless the network has a subnet of it, so that containers do not
/// meet the host on link-local addresses that no rule here looks at.
fn close_ipv6(name: &IfName) -> Result<(), NetworkError> {
    set_ipv6(name, "disable_ipv6", "1")
}

/// What a family needs on the bridge. IPv4: 127.0.0.1 as a source that may be
/// forwarded to containers (`route_localnet`), which the table's `guard` chain
/// confines. IPv6: on, deaf to containers' router advertisements
/// (CVE-2020-13401), and without duplicate detection, for which every first
/// container would wait.
fn open_family(name: &IfName, family: Family) -> Result<(), NetworkError> {
    match family {
        Family::V4 => {
            let path = format!("/proc/sys/net/ipv4/conf/{name}/route_localnet");
            set_sysctl(&path, "1").map(drop)
        }
        Family::V6 => {
            set_ipv6(name, "accept_ra", "0")?;
            set_ipv6(name, "accept_dad", "0")?;
            set_ipv6(name, "disable_ipv6", "0")
        }
    }
}

fn set_ipv6(name: &IfName, setting: &str, value: &'static str) -> Result<(), NetworkError> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
    match set_sysctl(&path, value) {
        // The kernel has no IPv6.
        Err(NetworkError::Sysctl { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound && value != "0" =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}

fn failed(name: &IfName, source: sys::Error) -> NetworkError {
    NetworkError::Bridge {
        name: name.to_string(),
        source,
    }
}
