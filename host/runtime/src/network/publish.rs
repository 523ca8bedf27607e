//! All published ports of an endpoint at once: one transaction a family.

use std::net::IpAddr;

use bulkhead_model::network::{Family, NetworkPlan, NetworkStep, PortMapping};

use super::context::NetworkContext;
use super::error::NetworkError;
use super::firewall::Published;
use super::ports::PortReservation;

/// The ports that a plan publishes, one by one.
pub(super) fn planned(plan: &NetworkPlan, endpoint: &str) -> Vec<Published> {
    let mappings = plan.steps.iter().filter_map(|step| match step {
        NetworkStep::Publish { mapping, to, .. } => Some((mapping, *to)),
        _ => None,
    });
    mappings
        .flat_map(|(mapping, to)| single(endpoint, mapping, to))
        .collect()
}

pub(super) fn single<'a>(
    endpoint: &'a str,
    mapping: &'a PortMapping,
    to: IpAddr,
) -> impl Iterator<Item = Published> + 'a {
    mapping.single().map(move |mapping| Published {
        endpoint: endpoint.to_owned(),
        mapping,
        to,
    })
}

/// Forwards the ports, each reserved on the host before.
pub(super) fn publish(
    ports: &[Published],
    context: &NetworkContext,
) -> Result<Vec<PortReservation>, NetworkError> {
    let mut reservations = Vec::with_capacity(ports.len());
    for (family, ports) in by_family(ports) {
        let mut firewall = context.firewall(family);
        firewall.check_free(&ports)?;
        for port in &ports {
            reservations.extend(PortReservation::take(&port.mapping)?);
        }
        firewall.publish(&ports)?;
    }
    Ok(reservations)
}

/// Forwards those of the ports that are not, for an endpoint whose
/// reservations are held.
pub(super) fn publish_again(
    ports: &[Published],
    context: &NetworkContext,
) -> Result<(), NetworkError> {
    for (family, mut ports) in by_family(ports) {
        let mut firewall = context.firewall(family);
        let there = firewall.published()?;
        ports.retain(|port| !there.contains(port));
        if !ports.is_empty() {
            firewall.check_free(&ports)?;
            firewall.publish(&ports)?;
        }
    }
    Ok(())
}

fn by_family(ports: &[Published]) -> impl Iterator<Item = (Family, Vec<Published>)> + '_ {
    Family::BOTH.into_iter().filter_map(move |family| {
        let own = ports.iter().filter(|p| Family::of(p.to) == family);
        let own: Vec<_> = own.cloned().collect();
        (!own.is_empty()).then_some((family, own))
    })
}

/// The families of which the plan publishes ports.
pub(super) fn families(plan: &NetworkPlan) -> impl Iterator<Item = Family> + '_ {
    Family::BOTH.into_iter().filter(|family| {
        let publish = |step: &NetworkStep| matches!(step, NetworkStep::Publish { to, .. } if Family::of(*to) == *family);
        plan.steps.iter().any(publish)
    })
}
