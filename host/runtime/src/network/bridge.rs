//! A network's bridge.

use std::net::IpAddr;

use bulkhead_model::network::{Cidr, IfName};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{Address, Link, RouteSocket};

use super::context::{NetworkContext, set_sysctl};
use super::error::NetworkError;

/// The bridge exists, is up and has its address. The address comes last: a
/// bridge that has it is completely set up.
pub(super) fn ensure(
    context: &NetworkContext,
    name: &IfName,
    addr: Cidr,
) -> Result<(), NetworkError> {
    let mut route = context.route();
    let failed = |source| failed(name, source);
    let link = match route.link(name.as_str()).map_err(failed)? {
        Some(link) => link,
        None => create(&mut route, name, addr)?,
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
    if has_address(&mut route, name, &link, addr)? {
        return Ok(());
    }
    harden(name)?;
    context.forward()?;
    context.firewall().admit(name.as_str())?;
    let address = Address {
        link: link.index,
        addr: addr.addr,
        prefix: addr.prefix,
    };
    match route.add_address(&address) {
        Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(failed),
    }
}

/// Removes a network: its bridge and its entries in the packet filter.
/// Missing things are fine.
pub fn remove_network(bridge: &IfName, context: &NetworkContext) -> Result<(), NetworkError> {
    let deleted = context.route().delete_link(bridge.as_str());
    context.firewall().forget(bridge.as_str())?;
    deleted.map(drop).map_err(|source| failed(bridge, source))
}

/// The hardware address follows from the IPv4 address, as for containers. A
/// fixed one keeps the bridge from taking its lowest port's, which changes.
pub(super) fn mac(addr: IpAddr) -> Option<[u8; 6]> {
    match addr {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some([0x02, 0x42, a, b, c, d])
        }
        IpAddr::V6(_) => None,
    }
}

fn create(route: &mut RouteSocket, name: &IfName, addr: Cidr) -> Result<Link, NetworkError> {
    let mac = mac(addr.addr).ok_or(NetworkError::NotIpv4(addr))?;
    match route.create_bridge(name.as_str(), mac) {
        // Another daemon was faster.
        Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.map_err(|source| failed(name, source))?,
    }
    let link = route.link(name.as_str()).map_err(|e| failed(name, e))?;
    link.ok_or_else(|| NetworkError::NoSuchBridge(name.to_string()))
}

/// Whether the bridge has `addr`; another IPv4 address is an error.
fn has_address(
    route: &mut RouteSocket,
    name: &IfName,
    link: &Link,
    addr: Cidr,
) -> Result<bool, NetworkError> {
    let all = route.addresses().map_err(NetworkError::Inspect)?;
    let mut own = all
        .iter()
        .filter(|a| a.link == link.index && a.addr.is_ipv4())
        .map(|a| Cidr {
            addr: a.addr,
            prefix: a.prefix,
        });
    if own.clone().any(|found| found == addr) {
        return Ok(true);
    }
    match own.next() {
        None => Ok(false),
        Some(found) => Err(NetworkError::BridgeAddress {
            name: name.to_string(),
            found,
            wanted: addr,
        }),
    }
}

/// IPv6 off, so that containers do not meet the host on link-local addresses
/// that no rule here looks at; and 127.0.0.1 as a source that may be forwarded
/// to containers (`route_localnet`), which the table's `guard` chain confines.
fn harden(name: &IfName) -> Result<(), NetworkError> {
    for setting in ["disable_ipv6", "accept_ra"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
        let value = if setting == "accept_ra" { "0" } else { "1" };
        match set_sysctl(&path, value) {
            // The kernel has no IPv6.
            Err(NetworkError::Sysctl { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            other => drop(other?),
        }
    }
    let path = format!("/proc/sys/net/ipv4/conf/{name}/route_localnet");
    set_sysctl(&path, "1").map(drop)
}

fn failed(name: &IfName, source: sys::Error) -> NetworkError {
    NetworkError::Bridge {
        name: name.to_string(),
        source,
    }
}
