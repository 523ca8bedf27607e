//! What is kept of a network.

use std::collections::BTreeMap;

use bulkhead_model::network::{Cidr, IfName, NetworkConfig};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::{now, random_id};

/// One network's record, stored as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// 64 hex digits.
    pub id: String,
    /// Its unique name.
    pub name: String,
    /// The short name of its driver.
    pub driver: String,
    /// Nanoseconds since the epoch.
    pub created_at: u64,
    /// `bridge`, `host` or `none`: it belongs to the daemon and stays.
    pub predefined: bool,
    /// Nothing beyond it can be reached, and it from nowhere else.
    pub internal: bool,
    /// As it was asked for; only swarm services differ by it.
    pub attachable: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The driver's options as they were given.
    pub options: BTreeMap<String, String>,
    /// The address pool's options as they were given.
    pub ipam_options: BTreeMap<String, String>,
    /// The gateway with the subnet's prefix, such as `172.18.0.1/16`.
    pub gateway: Option<String>,
    /// The user chose the subnet, so containers may choose addresses in it.
    pub chosen_subnet: bool,
    /// The range addresses are leased from, when it is not the whole subnet.
    pub ip_range: Option<String>,
    /// Link MTU; the daemon's when absent.
    pub mtu: Option<u32>,
    /// The bridge's name on the host.
    pub interface: Option<String>,
}

impl NetworkRecord {
    /// One of the daemon's own, new.
    pub(super) fn own(name: &str) -> Self {
        Self {
            id: random_id().to_string(),
            name: name.to_owned(),
            driver: name.to_owned(),
            created_at: now(),
            predefined: true,
            ..Self::default()
        }
    }

    pub(super) fn read(id: &str, json: &str) -> Result<Self, EngineError> {
        serde_json::from_str(json).map_err(|source| EngineError::Record {
            id: id.to_owned(),
            source,
        })
    }

    pub(super) fn write(&self) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|source| EngineError::Record {
            id: self.id.clone(),
            source,
        })
    }

    /// The gateway's address with the subnet's prefix.
    pub fn gateway(&self) -> Option<Cidr> {
        self.gateway.as_ref()?.parse().ok()
    }

    /// Whether names of containers are answered on it: all but the daemon's own.
    pub fn has_names(&self) -> bool {
        !self.predefined
    }

    /// What its driver is told.
    pub(super) fn config(&self, mtu: u32) -> NetworkConfig {
        NetworkConfig {
            name: self.name.clone(),
            interface: self.interface.as_deref().and_then(IfName::new),
            gateway: self.gateway(),
            mtu: self.mtu.unwrap_or(mtu),
        }
    }
}
