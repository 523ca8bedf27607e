//! Lays an image's layers out on a storage driver: the driver says where, the
//! host unpacks, the driver commits.

mod chains;

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::storage::{Purpose, SnapshotRequest};
use bulkhead_model::{Digest, SnapshotKey};
use bulkhead_store::LaidOut;
use bulkhead_store::unpack::{self, Unpacked, WhiteoutStyle};

use crate::Engine;
use crate::error::EngineError;

pub(crate) use chains::{Chains, Held};

impl Engine {
    /// Makes sure that `driver` has every layer of a stored image, unpacking
    /// from the content store what it lacks. They stay while the result lives.
    pub(crate) fn lay_out(
        &self,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<Held, EngineError> {
        let chains = self.chains.of(driver.driver_name());
        let held = chains.hold(image);
        if let Err(error) = self.lay_out_all(image, driver) {
            drop(held);
            self.discard_chains(driver);
            return Err(error);
        }
        Ok(held)
    }

    fn lay_out_all(
        &self,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<(), EngineError> {
        let mut made = Vec::new();
        for at in 0..image.layers.len() {
            made.extend(self.lay_out_layer(image, at, driver)?);
        }
        if !made.is_empty() {
            self.runtime.sync_storage(driver.driver_name())?;
            self.store.put_layers(&made)?;
            self.chains.of(driver.driver_name()).recorded(&made);
        }
        Ok(())
    }

    /// Keeps chains, laid out or not yet, while the result lives.
    pub(crate) fn hold_chains(&self, driver: &Arc<dyn StorageDriver>, which: Vec<Digest>) -> Held {
        self.chains.of(driver.driver_name()).hold_all(which)
    }

    /// Takes away what pulls laid out for images that did not come to be.
    pub(crate) fn discard_chains(&self, driver: &Arc<dyn StorageDriver>) {
        let chains = self.chains.of(driver.driver_name());
        chains.discard(|chain| {
            // One that stays is removed before its chain is laid out again.
            self.is_removed(driver, &SnapshotKey::of_chain(chain));
        });
    }

    /// Lays out layer `at`, whose blob is in the content store and, for
    /// drivers that copy, whose parent is laid out; the caller holds the
    /// image's chains. `None` when a record names it already.
    pub(crate) fn lay_out_layer(
        &self,
        image: &Image,
        at: usize,
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<Option<LaidOut>, EngineError> {
        let layer = &image.layers[at];
        let stored = |dest: BorrowedFd<'_>, style| {
            let blob = self.store.blobs().open_blob(&layer.digest)?;
            let limits = unpack::Limits::default();
            Ok::<_, EngineError>(unpack::apply(blob, dest, style, &limits)?)
        };
        self.lay_out_layer_by(image, at, driver, || Ok(()), stored)
    }

    /// [`Engine::lay_out_layer`] with what `fill` unpacks. `wanted` is asked now
    /// and then while somebody else lays the same chain out.
    pub(crate) fn lay_out_layer_by(
        &self,
        image: &Image,
        at: usize,
        driver: &Arc<dyn StorageDriver>,
        wanted: impl Fn() -> Result<(), EngineError>,
        fill: impl FnOnce(BorrowedFd<'_>, WhiteoutStyle) -> Result<Unpacked, EngineError>,
    ) -> Result<Option<LaidOut>, EngineError> {
        let layer = &image.layers[at];
        let chains = self.chains.of(driver.driver_name());
        let _claim = chains.claim(&layer.chain_id, wanted)?;
        // Another pull has unpacked it, and may or may not live to record it.
        if let Some(laid_out) = chains.unrecorded(&layer.chain_id) {
            return Ok(Some(laid_out));
        }
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
            size: None,
        };
        self.unpack(layer, driver, &request, fill)
            .inspect_err(|_| self.abandon(driver, &request.key))
            .map(Some)
    }

    /// The record and the driver's directory must both be there: an
    /// interrupted pull leaves a directory that no record names.
    pub(crate) fn is_laid_out(
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

    fn unpack(
        &self,
        layer: &Layer,
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
        fill: impl FnOnce(BorrowedFd<'_>, WhiteoutStyle) -> Result<Unpacked, EngineError>,
    ) -> Result<LaidOut, EngineError> {
        let unpacked = self.extract(driver, request, fill)?;
        if unpacked.diff_id != layer.diff_id {
            return Err(EngineError::DiffId {
                layer: layer.digest.to_string(),
                actual: unpacked.diff_id.to_string(),
                expected: layer.diff_id.to_string(),
            });
        }
        self.commit_chain(driver, request, &layer.chain_id, &unpacked)
    }

    /// Takes an extraction of no use away, now or with the next one.
    pub(crate) fn abandon(&self, driver: &Arc<dyn StorageDriver>, extraction: &SnapshotKey) {
        let chains = self.chains.of(driver.driver_name());
        chains.abandon(vec![extraction.clone()]);
        self.remove_abandoned(driver);
    }

    /// Removes the extractions of no use; those stay that cannot be removed
    /// yet, as when the plugin's runner dies again and again.
    pub(crate) fn remove_abandoned(&self, driver: &Arc<dyn StorageDriver>) {
        let chains = self.chains.of(driver.driver_name());
        let mut extractions = chains.take_abandoned();
        extractions.retain(|key| !self.is_removed(driver, key));
        chains.abandon(extractions);
    }

    /// Whether a snapshot of no use could be removed.
    fn is_removed(&self, driver: &Arc<dyn StorageDriver>, key: &SnapshotKey) -> bool {
        let root = self.runtime.driver_root(driver.driver_name());
        let removed = driver
            .remove(&*root, key)
            .map_err(EngineError::from)
            .and_then(|plan| Ok(self.runtime.apply_storage(driver.driver_name(), &plan)?));
        if let Err(error) = &removed {
            let error = bulkhead_model::error::message(error);
            tracing::warn!(snapshot = %key, error, "removing a snapshot of no use");
        }
        removed.is_ok()
    }
}
