//! Interfaces of the host that containers share: macvlan and ipvlan.

use std::os::fd::BorrowedFd;

use bulkhead_model::network::{IfName, IpvlanFlag, IpvlanMode, MacAddr, MacvlanMode, SubLink};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{RouteSocket, SharedLink, Sharing};

use super::context::NetworkContext;
use super::error::NetworkError;

/// What the name of a parent that is made for a network alone starts with, as
/// in Docker.
const OWN: &str = "dm-";

/// Fails when this kernel has no links of the kind `macvlan` or `ipvlan`, or
/// `parent` neither exists nor can be made.
pub fn check_parent(
    kind: &'static str,
    parent: &IfName,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    let mut route = context.route();
    if !route.knows_shared(kind).map_err(NetworkError::Inspect)? {
        return Err(NetworkError::NoSuchLinkKind(kind));
    }
    let there = |route: &mut RouteSocket, name: &str| {
        let link = route.link(name).map_err(NetworkError::Inspect)?;
        Ok::<_, NetworkError>(link.is_some())
    };
    let base = vlan(parent).map_or(parent.as_str(), |(base, _)| base);
    if parent.as_str().starts_with(OWN) || there(&mut route, parent.as_str())? {
        return Ok(());
    }
    match vlan(parent).is_some() && there(&mut route, base)? {
        true => Ok(()),
        false => Err(NetworkError::NoSuchParent(base.to_owned())),
    }
}

/// Makes the container's interface in its namespace.
pub(super) fn share(
    context: &NetworkContext,
    inner: &IfName,
    parent: &IfName,
    kind: SubLink,
    (mtu, mac): (u32, Option<MacAddr>),
    namespace: BorrowedFd<'_>,
) -> Result<(), NetworkError> {
    let index = ensure(context, parent)?;
    let mut route = context.route();
    let shared = SharedLink {
        name: inner.as_str(),
        parent: index,
        sharing: sharing(kind),
        mtu,
        mac: mac.map(|mac| mac.0),
        namespace,
    };
    route.create_shared(&shared).map_err(|source| match kind {
        SubLink::Macvlan(_) if unsupported(&source) => NetworkError::NoSuchLinkKind("macvlan"),
        SubLink::Ipvlan(..) if unsupported(&source) => NetworkError::NoSuchLinkKind("ipvlan"),
        _ => failed(parent, source),
    })
}

/// The parent's index; one that is missing is made.
fn ensure(context: &NetworkContext, parent: &IfName) -> Result<u32, NetworkError> {
    let mut route = context.route();
    let failed = |source| failed(parent, source);
    if let Some(link) = route.link(parent.as_str()).map_err(failed)? {
        return Ok(link.index);
    }
    let name = parent.as_str();
    let made = if name.starts_with(OWN) {
        route.create_dummy(name, context.mark())
    } else {
        let missing = |base: &str| NetworkError::NoSuchParent(base.to_owned());
        let (base, id) = vlan(parent).ok_or_else(|| missing(name))?;
        let link = route.link(base).map_err(failed)?;
        let link = link.ok_or_else(|| missing(base))?;
        route.create_vlan(name, link.index, id, context.mark())
    };
    match made {
        // Another container's start was faster.
        Err(error) if error.io_kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) if unsupported(&error) => {
            let kind = if name.starts_with(OWN) {
                "dummy"
            } else {
                "vlan"
            };
            return Err(NetworkError::NoSuchLinkKind(kind));
        }
        other => other.map_err(failed)?,
    }
    let link = route.link(name).map_err(failed)?;
    Ok(link
        .ok_or_else(|| NetworkError::NoSuchParent(name.to_owned()))?
        .index)
}

/// `eth0.10` is the VLAN 10 of `eth0`.
fn vlan(parent: &IfName) -> Option<(&str, u16)> {
    let (base, id) = parent.as_str().rsplit_once('.')?;
    let id = id.parse().ok().filter(|id| (1..=4094).contains(id))?;
    Some((base, id))
}

/// linux/if_link.h: `enum macvlan_mode`, `enum ipvlan_mode`, `IPVLAN_F_…`.
fn sharing(kind: SubLink) -> Sharing {
    match kind {
        SubLink::Macvlan(mode) => Sharing::Macvlan(match mode {
            MacvlanMode::Private => 1,
            MacvlanMode::Vepa => 2,
            MacvlanMode::Bridge => 4,
            MacvlanMode::Passthru => 8,
        }),
        SubLink::Ipvlan(mode, flag) => {
            let mode = match mode {
                IpvlanMode::L2 => 0,
                IpvlanMode::L3 => 1,
                IpvlanMode::L3s => 2,
            };
            let flag = match flag {
                IpvlanFlag::Bridge => 0,
                IpvlanFlag::Private => 1,
                IpvlanFlag::Vepa => 2,
            };
            Sharing::Ipvlan(mode, flag)
        }
    }
}

fn unsupported(error: &sys::Error) -> bool {
    error.errno() == nix::libc::EOPNOTSUPP
}

fn failed(parent: &IfName, source: sys::Error) -> NetworkError {
    NetworkError::Parent {
        name: parent.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_told_by_its_name() {
        let of = |name: &str| vlan(&IfName::new(name).unwrap()).map(|(b, id)| (b.to_owned(), id));
        assert_eq!(of("eth0.10"), Some(("eth0".to_owned(), 10)));
        for plain in ["eth0", "eth0.0", "eth0.4095", "eth0.x"] {
            assert_eq!(of(plain), None, "{plain}");
        }
    }
}
