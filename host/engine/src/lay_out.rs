//! Lays an image's layers out on a storage driver: the driver says where, the
//! host unpacks, the driver commits.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::storage::{Purpose, SnapshotRequest};
use bulkhead_model::{Digest, SnapshotKey};
use bulkhead_store::LaidOut;
use bulkhead_store::unpack::{self, WhiteoutStyle};

use crate::Engine;
use crate::error::EngineError;

/// A driver and the chain it holds.
type Chain = (String, Digest);

/// One lock per driver and chain, so that two pulls of images that share a
/// layer do not unpack it twice.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    locks: Mutex<HashMap<Chain, Arc<Mutex<()>>>>,
    attempts: AtomicU64,
}

impl Chains {
    fn lock_of(&self, driver: &str, chain: &Digest) -> Arc<Mutex<()>> {
        let mut locks = self.locks.lock().expect("chain locks");
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks
            .entry((driver.to_owned(), chain.clone()))
            .or_default()
            .clone()
    }

    /// Differs between attempts of one daemon, and between daemons by its start.
    fn nonce(&self) -> u64 {
        crate::now() ^ (self.attempts.fetch_add(1, Ordering::Relaxed) << 48)
    }
}

impl Engine {
    /// Makes sure that `driver` holds every layer of a stored image, unpacking
    /// from the content store what it lacks.
    pub(crate) fn lay_out(
        &self,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<(), EngineError> {
        let mut made = Vec::new();
        for at in 0..image.layers.len() {
            made.extend(self.lay_out_layer(image, at, driver)?);
        }
        if !made.is_empty() {
            self.store.put_layers(&made)?;
        }
        Ok(())
    }

    /// Lays out layer `at`, whose blob is in the content store and, for
    /// drivers that copy, whose parent is laid out. `None` when it already was.
    pub(crate) fn lay_out_layer(
        &self,
        image: &Image,
        at: usize,
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<Option<LaidOut>, EngineError> {
        let layer = &image.layers[at];
        let lock = self.chains.lock_of(driver.driver_name(), &layer.chain_id);
        let _exclusive = lock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.is_laid_out(driver, layer)? {
            return Ok(None);
        }
        let key = SnapshotKey::of_extraction(&layer.chain_id, self.chains.nonce());
        let parents = image.layers[..at]
            .iter()
            .rev()
            .map(|l| SnapshotKey::of_chain(&l.chain_id))
            .collect();
        let request = SnapshotRequest {
            key,
            parents,
            purpose: Purpose::Extract,
        };
        self.extract(layer, driver, &request)
            .map(Some)
            .inspect_err(|_| self.abandon(driver, &request.key))
    }

    /// The record and the driver's directory must both be there: an
    /// interrupted pull leaves a directory that no record names.
    fn is_laid_out(
        &self,
        driver: &Arc<dyn StorageDriver>,
        layer: &Layer,
    ) -> Result<bool, EngineError> {
        let recorded = self
            .store
            .layer(driver.driver_name(), &layer.chain_id)?
            .is_some();
        if recorded {
            return Ok(true);
        }
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.remove(&*root, &SnapshotKey::of_chain(&layer.chain_id))?;
        self.runtime.apply_storage(driver.driver_name(), &plan)?;
        Ok(false)
    }

    fn extract(
        &self,
        layer: &Layer,
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
    ) -> Result<LaidOut, EngineError> {
        let name = driver.driver_name();
        let root = self.runtime.driver_root(name);
        let plan = driver.prepare(&*root, request)?;
        self.runtime.apply_storage(name, &plan)?;
        let mount = plan
            .mount
            .ok_or_else(|| EngineError::NoMount(name.to_owned()))?;
        let dest = self.runtime.open_rootfs(name, &mount)?;
        let style = if driver.features().overlay_layers {
            WhiteoutStyle::Overlay
        } else {
            WhiteoutStyle::Delete
        };
        let blob = self.store.blobs().open_blob(&layer.digest)?;
        let unpacked = unpack::apply(blob, dest.as_fd(), style, &unpack::Limits::default())?;
        drop(dest);
        if unpacked.diff_id != layer.diff_id {
            return Err(EngineError::DiffId {
                layer: layer.digest.to_string(),
                actual: unpacked.diff_id.to_string(),
                expected: layer.diff_id.to_string(),
            });
        }
        let commit = driver.commit(&*root, request, &SnapshotKey::of_chain(&layer.chain_id))?;
        self.runtime.apply_storage(name, &commit)?;
        Ok(LaidOut {
            driver: name.to_owned(),
            chain_id: layer.chain_id.clone(),
            bytes: unpacked.bytes,
            inodes: unpacked.inodes,
        })
    }

    /// Takes a failed extraction away; what stays is found by `gc`.
    fn abandon(&self, driver: &Arc<dyn StorageDriver>, key: &SnapshotKey) {
        let root = self.runtime.driver_root(driver.driver_name());
        let removed = driver
            .remove(&*root, key)
            .map(|plan| self.runtime.apply_storage(driver.driver_name(), &plan));
        if let Err(error) = removed {
            tracing::warn!(snapshot = %key, %error, "removing a failed extraction");
        }
    }
}
