//! Which networks a new container belongs to.

use std::net::Ipv4Addr;

use bulkhead_model::network::Cidr;

use crate::Engine;
use crate::container::Membership;
use crate::error::EngineError;
use crate::networks::Network;
use crate::peers::network_container;
use crate::spec::{ContainerSpec, EndpointSpec};

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
        if let Some(address) = asked.address {
            check_address(network, address)?;
        }
        Ok(Membership {
            network: network.record.id.clone(),
            name: network.record.name.clone(),
            aliases: asked.aliases.clone(),
            address: asked.address,
            links: asked.links.clone(),
        })
    }
}

/// `host` and `none`: a container on them is on no other.
pub(super) fn shares_nothing(network: &Network) -> bool {
    network.config.gateway.is_none()
}

fn check_address(network: &Network, address: Ipv4Addr) -> Result<(), EngineError> {
    if !network.record.has_names() {
        return Err(EngineError::AddressOnPredefined);
    }
    if !network.record.chosen_subnet {
        return Err(EngineError::AddressWithoutSubnet);
    }
    let gateway = network.config.gateway;
    if gateway.is_some_and(|g: Cidr| g.contains(address.into())) {
        return Ok(());
    }
    Err(EngineError::AddressOutsideSubnet(address))
}
