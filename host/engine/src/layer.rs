//! A tar stream becomes a layer: its blob and its snapshot, in one pass.
//!
//! ```text
//! archive ─▶ inflate ─▶ hash ─┬▶ staging ─────────▶ blobs/sha256/<diff id>
//!                             └▶ files in x-… ────▶ snapshot of the chain
//! ```
//!
//! The blob is the uncompressed archive, so that its digest is the diff id.
//! Nothing names either of them before an image is recorded: a layer that is
//! dropped before goes, and what a crash leaves is swept at the next start.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Layer;
use bulkhead_model::storage::{Purpose, RootMount, SnapshotRequest};
use bulkhead_model::{Digest, SnapshotKey};
use bulkhead_store::unpack::{self, Unpacked, WhiteoutStyle};
use bulkhead_store::{LaidOut, manifest};

use crate::error::EngineError;
use crate::lay_out::Held;
use crate::{Engine, random_bytes};

/// A layer that was written and that no image names yet.
pub struct NewLayer<'a> {
    /// What an image's record says of it.
    pub layer: Layer,
    /// Where it is laid out; `None` when it was before.
    pub(crate) laid_out: Option<LaidOut>,
    engine: &'a Engine,
    driver: Arc<dyn StorageDriver>,
    blob: Option<bulkhead_store::Held<'a>>,
    chain: Option<Held>,
}

impl NewLayer<'_> {
    /// Whether it holds nothing: the archive was two blocks of zeros. Docker
    /// leaves such layers out of its images.
    pub fn is_empty(&self) -> bool {
        self.layer.size <= 1024
    }
}

impl Drop for NewLayer<'_> {
    /// Takes away what no image came to name.
    fn drop(&mut self) {
        drop((self.blob.take(), self.chain.take()));
        self.engine.discard_chains(&self.driver);
        let digest = std::slice::from_ref(&self.layer.digest);
        if let Err(error) = self.engine.store.blobs().discard(digest) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(error, "removing a layer that no image came to name");
        }
    }
}

impl Engine {
    /// Writes the layer that `archive`, compressed or not, is: over those
    /// `below`, lowest first, which are laid out on `driver` and held.
    pub fn write_layer(
        &self,
        archive: impl Read + Send,
        below: &[Layer],
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<NewLayer<'_>, EngineError> {
        let unknown = Digest::from_sha256(random_bytes());
        let request = SnapshotRequest {
            key: SnapshotKey::of_extraction(&unknown, self.chains.nonce()),
            parents: below
                .iter()
                .rev()
                .map(|layer| SnapshotKey::of_chain(&layer.chain_id))
                .collect(),
            purpose: Purpose::Extract,
            size: None,
        };
        self.take_in(archive, below, driver, &request)
            .inspect_err(|_| self.abandon(driver, &request.key))
    }

    fn take_in(
        &self,
        archive: impl Read + Send,
        below: &[Layer],
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
    ) -> Result<NewLayer<'_>, EngineError> {
        let mut ingest = self.store.blobs().ingest()?;
        let unpacked = self.extract(driver, request, |dest, style| {
            let limits = unpack::Limits::default();
            unpack::apply_keeping(archive, dest, style, &limits, &mut ingest)
        })?;
        let below = below.last().map(|layer| &layer.chain_id);
        let chain_id = manifest::chain_id(below, &unpacked.diff_id);
        let blob = ingest.finish(unpacked.diff_id.clone());
        let mut new = NewLayer {
            layer: Layer {
                digest: unpacked.diff_id.clone(),
                size: blob.size(),
                media_type: manifest::TAR_LAYER.to_owned(),
                diff_id: unpacked.diff_id.clone(),
                chain_id: chain_id.clone(),
            },
            laid_out: None,
            engine: self,
            driver: driver.clone(),
            blob: Some(blob.publish()?),
            chain: Some(self.hold_chains(driver, vec![chain_id])),
        };
        new.laid_out = self.settle(&new.layer, &unpacked, driver, request)?;
        Ok(new)
    }

    /// Makes the extraction the snapshot of its chain, unless that is there.
    fn settle(
        &self,
        layer: &Layer,
        unpacked: &Unpacked,
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
    ) -> Result<Option<LaidOut>, EngineError> {
        let chains = self.chains.of(driver.driver_name());
        let _claim = chains.claim(&layer.chain_id, || Ok::<_, EngineError>(()))?;
        let known = chains.unrecorded(&layer.chain_id);
        if known.is_some() || self.is_laid_out(driver, layer)? {
            self.abandon(driver, &request.key);
            return Ok(known);
        }
        let laid_out = self.commit_chain(driver, request, &layer.chain_id, unpacked)?;
        Ok(Some(laid_out))
    }

    /// Prepares a snapshot and lets `fill` unpack into it.
    pub(crate) fn extract<E>(
        &self,
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
        fill: impl FnOnce(BorrowedFd<'_>, WhiteoutStyle) -> Result<Unpacked, E>,
    ) -> Result<Unpacked, EngineError>
    where
        EngineError: From<E>,
    {
        let name = driver.driver_name();
        let root = self.runtime.driver_root(name);
        self.remove_abandoned(driver);
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
        let unpacked = fill(dest.as_fd(), style)?;
        // A volume's filesystem is nobody else's to sync, and out of reach after this.
        if matches!(mount, RootMount::Volume { .. }) {
            self.runtime.sync_rootfs(name, dest.as_fd())?;
        }
        Ok(unpacked)
    }

    /// Makes an extraction the snapshot of a chain that no record names yet.
    pub(crate) fn commit_chain(
        &self,
        driver: &Arc<dyn StorageDriver>,
        request: &SnapshotRequest,
        chain_id: &Digest,
        unpacked: &Unpacked,
    ) -> Result<LaidOut, EngineError> {
        let name = driver.driver_name();
        let root = self.runtime.driver_root(name);
        let commit = driver.commit(&*root, request, &SnapshotKey::of_chain(chain_id))?;
        self.runtime.apply_storage(name, &commit)?;
        let laid_out = LaidOut {
            driver: name.to_owned(),
            chain_id: chain_id.clone(),
            bytes: unpacked.bytes,
            inodes: unpacked.inodes,
        };
        self.chains.of(name).laid_out(&laid_out);
        Ok(laid_out)
    }
}
