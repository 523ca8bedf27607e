//! Networks: the three of every daemon, and those that users make.
//!
//! A network is a record and a driver. The record says what a driver is asked
//! with; the kernel has nothing of a network before its first endpoint comes.
//!
//! ```text
//! container ── membership (network, aliases; part of its record, edited by
//!     │                    connect and disconnect)
//!     └────── endpoint    (addresses, ports; only while it runs)
//! ```

mod connect;
mod create;
mod endpoint;
pub mod names;
mod options;
mod ports;
mod record;
mod remove;
pub mod trace;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bulkhead_model::driver::NetworkDriver;
use bulkhead_model::network::{Cidr, Family, IfName, NetworkConfig};
use bulkhead_store::{NetworkRow, Store};

use crate::error::EngineError;

pub use create::{NetworkCreated, NetworkSpec, PoolSpec};
pub use record::{NetworkRecord, PoolRecord};
pub(crate) use wire::{Wiring, published};

/// One network and the driver that wires it.
pub struct Network {
    /// What was asked for and chosen.
    pub record: NetworkRecord,
    /// What its driver is told.
    pub config: NetworkConfig,
    /// Its driver.
    pub driver: Arc<dyn NetworkDriver>,
}

/// All networks, by id and by name.
pub struct Networks {
    store: Arc<Store>,
    drivers: BTreeMap<String, Arc<dyn NetworkDriver>>,
    mtu: u32,
    table: RwLock<BTreeMap<String, Arc<Network>>>,
    /// Held while one is made or removed, so that no two take the same subnet.
    changing: Mutex<()>,
}

impl Networks {
    /// Reads every record. `own` are the daemon's own networks, which get an
    /// id at the first start; a network whose driver is not installed any
    /// more is left out, with a warning.
    pub fn load(
        store: Arc<Store>,
        drivers: BTreeMap<String, Arc<dyn NetworkDriver>>,
        own: Vec<NetworkConfig>,
        mtu: u32,
    ) -> Result<Self, EngineError> {
        let mut records: BTreeMap<String, NetworkRecord> = BTreeMap::new();
        for row in store.networks()? {
            let record = NetworkRecord::read(&row.id, &row.json)?;
            records.insert(record.name.clone(), record);
        }
        let networks = Self {
            store,
            drivers,
            mtu,
            table: RwLock::default(),
            changing: Mutex::default(),
        };
        for config in own {
            networks.add_own(config, &mut records)?;
        }
        for record in records.into_values() {
            let config = record.config(networks.mtu);
            networks.put(record, config);
        }
        Ok(networks)
    }

    /// `bridge`, `host` or `none`: its settings are the daemon's, only its id
    /// and its age are kept.
    fn add_own(
        &self,
        config: NetworkConfig,
        records: &mut BTreeMap<String, NetworkRecord>,
    ) -> Result<(), EngineError> {
        let mut record = match records.remove(&config.name) {
            Some(record) => record,
            None => {
                let record = NetworkRecord::own(&config.name);
                self.write(&record)?;
                record
            }
        };
        let pool = |gateway: &Cidr| PoolRecord {
            gateway: gateway.to_string(),
            ..PoolRecord::default()
        };
        record.pools = config.gateways.iter().map(pool).collect();
        record.ipv6 = config.gateway(Family::V6).is_some();
        self.put(record, config);
        Ok(())
    }

    fn put(&self, record: NetworkRecord, config: NetworkConfig) {
        let Some(driver) = self.drivers.get(&record.driver).cloned() else {
            tracing::warn!(network = %record.name, driver = %record.driver, "a network's driver is not installed");
            return;
        };
        let network = Network {
            record,
            config,
            driver,
        };
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(network.record.id.clone(), Arc::new(network));
    }

    fn write(&self, record: &NetworkRecord) -> Result<(), EngineError> {
        Ok(self.store.put_network(&NetworkRow {
            id: record.id.clone(),
            name: record.name.clone(),
            json: record.write()?,
        })?)
    }

    /// Every network, by name.
    pub fn all(&self) -> Vec<Arc<Network>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = table.values().cloned().collect();
        all.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        all
    }

    /// The short names of the drivers that are installed.
    pub fn driver_names(&self) -> Vec<String> {
        self.drivers.keys().cloned().collect()
    }

    /// The interfaces on this host that the networks may have made.
    pub fn interfaces(&self) -> Vec<IfName> {
        let all = self.all();
        all.iter()
            .filter_map(|n| n.config.interface.clone())
            .collect()
    }

    /// By full id, by name, or by a unique prefix of the id; `default` and the
    /// empty name are the default bridge.
    pub fn find(&self, text: &str) -> Result<Arc<Network>, EngineError> {
        let name = match text {
            "" | "default" => "bridge",
            name => name,
        };
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = table.get(name) {
            return Ok(network.clone());
        }
        if let Some(network) = table.values().find(|n| n.record.name == name) {
            return Ok(network.clone());
        }
        let mut matches = table.values().filter(|n| n.record.id.starts_with(name));
        match (matches.next(), matches.next()) {
            (Some(network), None) => Ok(network.clone()),
            (Some(_), Some(_)) => Err(EngineError::AmbiguousNetwork {
                name: name.to_owned(),
                matches: matches.count() + 2,
            }),
            _ => Err(EngineError::NoSuchNetwork(name.to_owned())),
        }
    }

    fn take_out(&self, id: &str) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.remove(id);
    }
}
