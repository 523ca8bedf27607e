//! `system check`: compares what is recorded with what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::error::message;
use bulkhead_model::storage::{Purpose, SnapshotRequest};
use bulkhead_model::{Digest, SnapshotKey};
use bulkhead_store::{ImageRecord, Soundness};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;
use crate::view::only_read;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Images.
    pub images: u64,
    /// Blobs that images need.
    pub blobs: u64,
    /// Their bytes, all of which were read.
    pub bytes: u64,
    /// Layers on all storage drivers.
    pub layers: u64,
    /// Containers.
    pub containers: u64,
    /// Volumes.
    pub volumes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is not as its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `blob`, `layer`, …
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
    /// What was done about it, if anything.
    pub repaired: Option<String>,
}

impl Engine {
    /// Reads every blob, mounts every layer and the root of every container
    /// that does not run, and looks for every volume. With `repair` what can
    /// be made again is.
    pub fn check_stored(&self, repair: bool) -> Result<Checked, EngineError> {
        let mut checked = Checked::default();
        for problem in self.store.check_database()? {
            checked.found("database", "state.db", problem, None);
        }
        let images = self.store.images()?;
        checked.images = images.len() as u64;
        self.check_blobs(&images, repair, &mut checked)?;
        for driver in self.storage.values() {
            self.check_layers(driver, &images, repair, &mut checked)?;
        }
        self.check_containers(&images, &mut checked);
        self.check_volumes(repair, &mut checked)?;
        Ok(checked)
    }

    fn check_blobs(
        &self,
        images: &[ImageRecord],
        repair: bool,
        checked: &mut Checked,
    ) -> Result<(), EngineError> {
        let mut needed: BTreeMap<&Digest, &ImageRecord> = BTreeMap::new();
        for record in images {
            let image = &record.image;
            let layers = image.layers.iter().map(|layer| &layer.digest);
            for digest in [&image.id, &image.manifest].into_iter().chain(layers) {
                needed.entry(digest).or_insert(record);
            }
        }
        checked.blobs = needed.len() as u64;
        let queue = Mutex::new(needed.into_iter());
        let found = Mutex::new(Vec::new());
        let work = || -> Result<(), EngineError> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((digest, owner)) = next else {
                    return Ok(());
                };
                let _held = self.store.blobs().hold(digest);
                let soundness = self.store.blobs().verify(digest)?;
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.push((digest, owner, soundness));
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.config.cpus.min(8))
                .map(|_| scope.spawn(work))
                .collect();
            let mine = work();
            let others = others.into_iter().map(|other| other.join());
            others.fold(mine, |all, other| {
                all.and(other.unwrap_or(Err(EngineError::WorkerPanicked)))
            })
        })?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(digest, ..)| *digest);
        for (digest, owner, soundness) in found {
            let problem = match soundness {
                Soundness::Sound { size } => {
                    checked.bytes += size;
                    continue;
                }
                Soundness::Missing => "is missing",
                Soundness::Corrupt { size } => {
                    checked.bytes += size;
                    "is not what its digest says"
                }
            };
            let problem = format!("{problem}; image {} needs it", name(owner));
            let mut repaired = None;
            if repair && matches!(soundness, Soundness::Corrupt { .. }) {
                self.store.blobs().delete(digest)?;
                repaired = Some("removed: the next pull of the image brings it again".to_owned());
            }
            checked.found("blob", digest.as_str(), problem, repaired);
        }
        Ok(())
    }

    fn check_layers(
        &self,
        driver: &Arc<dyn StorageDriver>,
        images: &[ImageRecord],
        repair: bool,
        checked: &mut Checked,
    ) -> Result<(), EngineError> {
        let recorded: BTreeSet<Digest> = self
            .store
            .layers(driver.driver_name())?
            .into_iter()
            .collect();
        let mut seen = BTreeSet::new();
        for record in images {
            let image = &record.image;
            let _held = self.chains.of(driver.driver_name()).hold(image);
            let mut anew = false;
            for at in 0..image.layers.len() {
                let chain = &image.layers[at].chain_id;
                if !recorded.contains(chain) || !seen.insert(chain.clone()) {
                    continue;
                }
                checked.layers += 1;
                let Err(error) = self.mount_layer(driver, record, at) else {
                    continue;
                };
                let mut repaired = None;
                if repair {
                    self.take_layer_away(driver, chain)?;
                    anew = true;
                    repaired = Some("laid out again".to_owned());
                }
                let problem = format!("{}; image {} needs it", message(&error), name(record));
                let shown = format!("{} {chain}", driver.driver_name());
                checked.found("layer", &shown, problem, repaired);
            }
            if anew && let Err(error) = self.lay_out(image, driver) {
                let problem = format!("cannot be laid out again: {}", message(&error));
                checked.found("image", &name(record), problem, None);
            }
        }
        Ok(())
    }

    fn mount_layer(
        &self,
        driver: &Arc<dyn StorageDriver>,
        record: &ImageRecord,
        at: usize,
    ) -> Result<(), EngineError> {
        let mut keys: Vec<SnapshotKey> = record.image.layers[..=at]
            .iter()
            .rev()
            .map(|layer| SnapshotKey::of_chain(&layer.chain_id))
            .collect();
        let request = SnapshotRequest {
            key: keys.remove(0),
            parents: keys,
            purpose: Purpose::View,
            size: None,
        };
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.mounts(&*root, &request)?;
        let none = || EngineError::NoMount(driver.driver_name().to_owned());
        let mount = plan.mount.ok_or_else(none)?;
        self.runtime.open_rootfs(driver.driver_name(), &mount)?;
        Ok(())
    }

    fn take_layer_away(
        &self,
        driver: &Arc<dyn StorageDriver>,
        chain: &Digest,
    ) -> Result<(), EngineError> {
        self.store.forget_layer(driver.driver_name(), chain)?;
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.remove(&*root, &SnapshotKey::of_chain(chain))?;
        Ok((self.runtime).apply_storage(driver.driver_name(), &plan)?)
    }

    fn check_containers(&self, images: &[ImageRecord], checked: &mut Checked) {
        for entry in self.containers.all() {
            let record = entry.record();
            checked.containers += 1;
            let is_its = |image: &ImageRecord| image.image.id.as_str() == record.image_id;
            if !images.iter().any(is_its) {
                let problem = format!("its image {} is not here", record.image_id);
                checked.found("container", &record.name, problem, None);
            }
            // What runs is mounted, and a copy of its files may last.
            if entry.is_active() {
                continue;
            }
            let _root = entry.mount_root();
            if !entry.is_active()
                && let Err(error) = self.mount_container(&record)
            {
                checked.found("container", &record.name, message(&error), None);
            }
        }
    }

    fn mount_container(&self, record: &Container) -> Result<(), EngineError> {
        let mount = only_read(self.snapshot_mount(record, Purpose::Run)?);
        self.runtime.open_rootfs(&record.storage_driver, &mount)?;
        Ok(())
    }

    fn check_volumes(&self, repair: bool, checked: &mut Checked) -> Result<(), EngineError> {
        for volume in self.volumes()? {
            checked.volumes += 1;
            let Err(error) = self.store.open_volume(&volume.name) else {
                continue;
            };
            let mut repaired = None;
            if repair {
                self.make_volume_again(&volume)?;
                repaired = Some("made again, empty".to_owned());
            }
            checked.found("volume", &volume.name, message(&error), repaired);
        }
        Ok(())
    }
}

impl Checked {
    fn found(&mut self, kind: &'static str, name: &str, problem: String, repaired: Option<String>) {
        self.findings.push(Finding {
            kind,
            name: name.to_owned(),
            problem,
            repaired,
        });
    }
}

/// What a user calls an image.
fn name(record: &ImageRecord) -> String {
    let tag = record.tags.first().or(record.digests.first());
    tag.map_or_else(
        || record.image.id.to_string(),
        bulkhead_model::Reference::familiar,
    )
}
