//! Which networks a new container belongs to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bulkhead_model::network::IfName;

use crate::Engine;
use crate::container::Membership;
use crate::error::EngineError;
use crate::networks::Network;
use crate::peers::network_container;
use crate::spec::{ContainerSpec, EndpointSpec};

/// Docker's option for the name of an interface inside.
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

impl Engine {
    /// The network of the container's mode, then the others it names.
    pub(crate) fn memberships(&self, spec: &ContainerSpec) -> Result<Vec<Membership>, EngineError> {
        if network_container(&spec.network).is_some() {
            return Ok(Vec::new());
        }
        let first = self.networks.find(&spec.network)?;
        let own = |e: &&EndpointSpec| {
            let found = self.networks.find(&e.network);
            found.is_ok_and(|n| n.record.id == first.record.id)
        };
        let asked = spec.endpoints.iter().find(own).cloned().unwrap_or_default();
        let mut all = vec![self.membership(&first, &asked)?];
        for asked in &spec.endpoints {
            let network = self.networks.find(&asked.network)?;
            if all.iter().any(|m| m.network == network.record.id) {
                continue;
            }
            if let Some(exclusive) = [&first, &network].into_iter().find(|n| shares_nothing(n)) {
                return Err(EngineError::ExclusiveNetwork(exclusive.record.name.clone()));
            }
            all.push(self.membership(&network, asked)?);
        }
        Ok(all)
    }

    /// A container's place in `network`, checked.
    pub(crate) fn membership(
        &self,
        network: &Network,
        asked: &EndpointSpec,
    ) -> Result<Membership, EngineError> {
        if !asked.aliases.is_empty() && !network.record.has_names() {
            return Err(EngineError::AliasesOnPredefined);
        }
        if !asked.links.is_empty() && !network.record.has_names() {
            return Err(EngineError::LinksOnPredefined);
        }
        for address in &asked.addresses {
            check_address(network, *address)?;
        }
        check_options(network, &asked.driver_options)?;
        Ok(Membership {
            network: network.record.id.clone(),
            name: network.record.name.clone(),
            aliases: asked.aliases.clone(),
            addresses: asked.addresses.clone(),
            mac: asked.mac.clone(),
            gateway_priority: asked.gateway_priority,
            driver_options: asked.driver_options.clone(),
            links: asked.links.clone(),
        })
    }
}

/// The name of the interface inside, when the user chose one.
pub(super) fn chosen_name(member: &Membership) -> Option<IfName> {
    let name = member.driver_options.get(INTERFACE)?;
    IfName::new(name).filter(|name| name.as_str() != "lo")
}

/// `host` and `none`: a container on them is on no other.
pub(super) fn shares_nothing(network: &Network) -> bool {
    network.config.gateways.is_empty()
}

fn check_address(network: &Network, address: IpAddr) -> Result<(), EngineError> {
    if !network.record.has_names() {
        return Err(EngineError::AddressOnPredefined);
    }
    let mut pools = network.record.pools.iter();
    let around = pools.find(|p| p.gateway().is_some_and(|g| g.contains(address)));
    match around {
        Some(pool) if pool.chosen => Ok(()),
        Some(_) => Err(EngineError::AddressWithoutSubnet),
        None if network.record.pools.iter().all(|pool| !pool.chosen) => {
            Err(EngineError::AddressWithoutSubnet)
        }
        None => Err(EngineError::AddressOutsideSubnet(address)),
    }
}

/// What is none of Docker's is the driver's, and ignored by those that do not
/// know it, as with Docker.
fn check_options(network: &Network, options: &BTreeMap<String, String>) -> Result<(), EngineError> {
    for (key, value) in options {
        let fits = || IfName::new(value).is_some_and(|name| name.as_str() != "lo");
        if key == INTERFACE && !fits() {
            return Err(EngineError::NetworkOptionValue {
                key: key.clone(),
                value: value.clone(),
                why: "not an interface name of 15 bytes at most".to_owned(),
            });
        }
        if key != INTERFACE && key.starts_with("com.docker.network.") {
            return Err(EngineError::NetworkOption {
                option: format!("endpoint option {key}={value}"),
                driver: network.record.driver.clone(),
            });
        }
    }
    Ok(())
}
