//! `network rm` and `network prune`.

use std::sync::{Arc, PoisonError};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;
use crate::events::Subject;
use crate::networks::Network;

impl Engine {
    /// Removes a network that no running container is on: its record, its
    /// bridge and its packet-filter entries.
    pub fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        let changing = self.networks.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        let network = self.networks.find(name)?;
        if network.record.predefined {
            return Err(EngineError::RemovePredefined(network.record.name.clone()));
        }
        self.forget_network(&network)
    }

    /// Removes the networks that `chosen` accepts and no container, running or
    /// not, belongs to; their names.
    pub fn prune_networks(
        &self,
        chosen: impl Fn(&Network) -> bool,
    ) -> Result<Vec<String>, EngineError> {
        let changing = self.networks.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        let mut removed = Vec::new();
        for network in self.networks.all() {
            let used = !self.members(&network).is_empty();
            if network.record.predefined || used || !chosen(&network) {
                continue;
            }
            self.forget_network(&network)?;
            removed.push(network.record.name.clone());
        }
        self.events
            .publish(Subject::Network, "prune", "", [("reclaimed", "0")]);
        Ok(removed)
    }

    /// The containers that belong to a network.
    pub fn members(&self, network: &Network) -> Vec<Arc<Container>> {
        let all = self.containers.all();
        let records = all.iter().map(|e| e.record());
        let belongs =
            |c: &Arc<Container>| c.networks.iter().any(|m| m.network == network.record.id);
        records.filter(belongs).collect()
    }

    fn forget_network(&self, network: &Arc<Network>) -> Result<(), EngineError> {
        let record = &network.record;
        // From here on nobody starts on it: `wire` finds no network, or no address.
        self.networks.take_out(&record.id);
        if !self.pools.remove_unused(&record.name) {
            self.networks.put(record.clone(), network.config.clone());
            return Err(EngineError::NetworkInUse {
                name: record.name.clone(),
                id: record.id.clone(),
            });
        }
        self.networks.store.delete_network(&record.id)?;
        if let Some(bridge) = &network.config.interface {
            self.runtime.remove_network(bridge)?;
        }
        let attributes = [("name", record.name.as_str()), ("type", "bridge")];
        self.events
            .publish(Subject::Network, "destroy", &record.id, attributes);
        Ok(())
    }
}
