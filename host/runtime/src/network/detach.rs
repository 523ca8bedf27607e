//! Taking an endpoint, or one link of it, away again.

use std::os::fd::BorrowedFd;

use bulkhead_model::network::{Family, IfName, NetworkPlan, NetworkStep};
use bulkhead_sys as sys;
use bulkhead_sys::netlink::{RouteSocket, in_namespace};

use super::context::NetworkContext;
use super::endpoint::{outer_name, veth_failed};
use super::error::NetworkError;
use super::publish::families;

/// Takes away what an endpoint holds: its ports at once; its links are cut off
/// at once and disappear with the namespace, or are deleted a little later if
/// something keeps that alive. Missing things are fine.
pub fn detach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    let ports = families(plan)
        .map(|family| context.firewall(family).withdraw(endpoint))
        .fold(Ok(()), Result::and);
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
    namespace: BorrowedFd<'_>,
) -> Result<(), NetworkError> {
    let made = plan.steps.iter().find(|step| step.link() == Some(link));
    let veth = match made {
        // It has no end outside.
        Some(NetworkStep::SubLink { .. }) => return delete_inside(namespace, link),
        Some(NetworkStep::Veth { bridge, .. }) => Some(bridge),
        _ => None,
    };
    for step in &plan.steps {
        if let NetworkStep::Publish { to, bridge, .. } = step
            && veth.is_some_and(|b| b.as_ref() == Some(bridge))
        {
            context
                .firewall(Family::of(*to))
                .withdraw_from(endpoint, *to)?;
        }
    }
    let name = outer_name(endpoint, link);
    let deleted = context.route().delete_link(&name);
    deleted
        .map(drop)
        .map_err(|source| veth_failed(&name, source))
}

fn delete_inside(namespace: BorrowedFd<'_>, link: &IfName) -> Result<(), NetworkError> {
    let delete = || RouteSocket::open()?.delete_link(link.as_str());
    in_namespace(namespace, delete)
        .map_err(NetworkError::Namespace)?
        .map(drop)
        .map_err(|source| veth_failed(link.as_str(), source))
}

/// Whether a link went away meanwhile, or is no port of a bridge any more.
fn gone(error: &sys::Error) -> bool {
    use nix::libc::{EINVAL, ENETDOWN, ENODEV, EOPNOTSUPP};
    [ENODEV, EINVAL, EOPNOTSUPP, ENETDOWN].contains(&error.errno())
}
