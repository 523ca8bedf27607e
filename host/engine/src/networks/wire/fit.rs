//! A network's plan beside those of others.

use bulkhead_model::network::{Family, IfName, NetworkNamespace, NetworkPlan, NetworkStep};

use crate::container::Membership;
use crate::networks::Network;
use crate::networks::endpoint::chosen_name;

/// A network's plan, made to fit beside others. Drivers know of one network
/// each: every one calls its interface `eth0` and makes it the way out. Here
/// interfaces are counted on from `links`, one network only is the way out in
/// a family, and an internal network has none.
pub(super) fn fitted(
    plan: NetworkPlan,
    network: &Network,
    member: &Membership,
    links: usize,
    families: &[Family],
) -> NetworkPlan {
    let mut steps = plan.steps;
    rename_links(&mut steps, links);
    if let Some(name) = chosen_name(member) {
        rename(&mut steps, &format!("eth{links}"), &name);
    }
    let internal = network.record.internal;
    let mut fitted = Vec::with_capacity(steps.len() + 1);
    for step in steps {
        let closed = match &step {
            NetworkStep::Bridge { name, .. } if internal => Some(name.clone()),
            _ => None,
        };
        let kept = match &step {
            NetworkStep::Route { dest, .. } => {
                dest.prefix != 0 || families.contains(&dest.family())
            }
            NetworkStep::Masquerade { .. } => !internal,
            _ => true,
        };
        fitted.extend(kept.then_some(step));
        fitted.extend(closed.map(|bridge| NetworkStep::Isolate { bridge }));
    }
    NetworkPlan {
        steps: fitted,
        ..plan
    }
}

pub(super) fn append(into: &mut NetworkPlan, plan: NetworkPlan) {
    if plan.namespace == NetworkNamespace::Host {
        into.namespace = NetworkNamespace::Host;
    }
    into.steps.extend(plan.steps);
    into.leases.extend(plan.leases);
}

pub(super) fn links(steps: &[NetworkStep]) -> usize {
    steps.iter().filter(|step| step.link().is_some()).count()
}

/// `eth0` becomes `eth<first>`, and so on.
fn rename_links(steps: &mut [NetworkStep], first: usize) {
    let renamed = |name: &IfName| {
        let number: usize = name.as_str().strip_prefix("eth")?.parse().ok()?;
        IfName::new(&format!("eth{}", number + first))
    };
    for name in steps.iter_mut().filter_map(inside) {
        if let Some(new) = renamed(name) {
            *name = new;
        }
    }
}

fn rename(steps: &mut [NetworkStep], old: &str, new: &IfName) {
    for name in steps.iter_mut().filter_map(inside) {
        if name.as_str() == old {
            name.clone_from(new);
        }
    }
}

/// The name of an interface inside that a step speaks of.
fn inside(step: &mut NetworkStep) -> Option<&mut IfName> {
    match step {
        NetworkStep::Veth { inner: name, .. }
        | NetworkStep::SubLink { inner: name, .. }
        | NetworkStep::Addr { ifname: name, .. } => Some(name),
        _ => None,
    }
}
