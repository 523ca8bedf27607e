//! What the engine removes before it serves: what operations that were cut
//! off left behind, and no record names.

use std::collections::HashSet;
use std::sync::Arc;

use bulkhead_model::SnapshotKey;
use bulkhead_model::driver::StorageDriver;
use bulkhead_store::RESTORE;

use crate::Engine;
use crate::error::EngineError;

/// A driver removes a bounded number of snapshots a call; so many calls are made.
const ROUNDS: usize = 10_000;

impl Engine {
    /// Removes snapshots, folders, volumes and blobs without a record. Must be called
    /// while nothing is being made: what is being made has no record either.
    pub fn sweep(&self) -> Result<(), EngineError> {
        for (name, driver) in &self.storage {
            let live = self.live_snapshots(name)?;
            // A driver that never held anything is not asked.
            if live.is_empty() && *name != self.config.storage_driver {
                continue;
            }
            if let Err(error) = self.collect_snapshots(driver, &live) {
                tracing::warn!(driver = %name, error = bulkhead_model::error::message(&error), "removing left-over snapshots");
            }
        }
        for id in self.store.container_dirs()? {
            if self.containers.find(id.as_str()).is_err() {
                self.store.remove_container_dir(&id)?;
            }
        }
        (self.store).settle_volumes(|owner, volume| match owner {
            RESTORE => !self.volume_users(volume).is_empty(),
            container => self.containers.find(container).is_ok(),
        })?;
        self.store.collect_blobs()?;
        Ok(())
    }

    fn live_snapshots(&self, driver: &str) -> Result<Vec<SnapshotKey>, EngineError> {
        let layers = self.store.layers(driver)?;
        let mut live: HashSet<SnapshotKey> = layers.iter().map(SnapshotKey::of_chain).collect();
        for record in self.containers.all().iter().map(|e| e.record()) {
            if record.storage_driver == driver {
                live.extend(record.parent_keys());
                live.insert(record.snapshot());
            }
        }
        Ok(live.into_iter().collect())
    }

    fn collect_snapshots(
        &self,
        driver: &Arc<dyn StorageDriver>,
        live: &[SnapshotKey],
    ) -> Result<(), EngineError> {
        let root = self.runtime.driver_root(driver.driver_name());
        for _ in 0..ROUNDS {
            let plan = driver.gc(&*root, live)?;
            if plan.steps.is_empty() {
                break;
            }
            self.runtime.apply_storage(driver.driver_name(), &plan)?;
        }
        Ok(())
    }
}
