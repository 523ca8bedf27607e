//! What is kept of a network.

use std::collections::BTreeMap;

use bulkhead_model::network::{Cidr, IfName, NetworkConfig};
use serde::{Deserialize, Serialize};

use crate::address_pool::Pool;
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
    /// Its subnets.
    #[serde(default)]
    pub pools: Vec<PoolRecord>,
    /// As it was asked for; it has a subnet of IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// Link MTU; the daemon's when absent.
    pub mtu: Option<u32>,
    /// The interface on the host: the bridge, or the containers' parent.
    pub interface: Option<String>,
}

/// One subnet of a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The gateway with the subnet's prefix, such as `172.18.0.1/16`.
    pub gateway: String,
    /// The range addresses are leased from, when it is not the whole subnet.
    pub range: Option<String>,
    /// Addresses that others have, by the names the user gave them.
    pub auxiliary: BTreeMap<String, String>,
    /// The user chose the subnet, so containers may choose addresses in it.
    pub chosen: bool,
}

impl PoolRecord {
    /// The gateway's address with the subnet's prefix.
    pub fn gateway(&self) -> Option<Cidr> {
        self.gateway.parse().ok()
    }

    /// The pool that addresses are leased from.
    pub(crate) fn pool(&self) -> Option<Pool> {
        let auxiliary = self.auxiliary.values();
        let mut pool = Pool::new(self.gateway()?);
        pool.range = self.range.as_ref().and_then(|r| r.parse().ok());
        pool.reserved = auxiliary.filter_map(|a| a.parse().ok()).collect();
        Some(pool)
    }
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

    /// Whether names of containers are answered on it: all but the daemon's own.
    pub fn has_names(&self) -> bool {
        !self.predefined
    }

    /// What its driver is told.
    pub(super) fn config(&self, mtu: u32) -> NetworkConfig {
        NetworkConfig {
            name: self.name.clone(),
            interface: self.interface.as_deref().and_then(IfName::new),
            gateways: self.pools.iter().filter_map(PoolRecord::gateway).collect(),
            mtu: self.mtu.unwrap_or(mtu),
            options: self.options.clone().into_iter().collect(),
        }
    }
}
