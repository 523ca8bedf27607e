//! A driver with layers on top of each other, as the engine lays them out.

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use bulkhead_model::SnapshotKey;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::storage::{Purpose, SnapshotRequest, StoragePlan};
use bulkhead_runtime::Storage;
use bulkhead_sys::directory::mkdirat;

/// The snapshot that is made and removed again.
const CONTAINER: &str = "c-bench";

pub(super) struct Scene<'a> {
    driver: &'a dyn StorageDriver,
    storage: Storage,
    layers: Vec<SnapshotKey>,
    mounted: Option<OwnedFd>,
}

impl<'a> Scene<'a> {
    /// With one more directory in each layer.
    pub(super) fn open(
        driver: &'a dyn StorageDriver,
        data_root: &Path,
        depth: usize,
    ) -> Result<Self> {
        let storage = Storage::open(data_root)?;
        let name = driver.driver_name();
        if let Some(pool) = driver.probe(&*storage.driver_root(name))? {
            storage.make_pool(name, &pool)?;
        }
        let mut scene = Self {
            driver,
            storage,
            layers: Vec::new(),
            mounted: None,
        };
        for number in 0..depth {
            scene.add_layer(number)?;
        }
        Ok(scene)
    }

    pub(super) fn driver_name(&self) -> &str {
        self.driver.driver_name()
    }

    /// The driver's root.
    pub(super) fn root(&self) -> Result<OwnedFd> {
        Ok(self.storage.open_root(self.driver_name())?)
    }

    /// The uppermost layer's name.
    pub(super) fn top(&self) -> &str {
        self.layers.first().map_or("", SnapshotKey::as_str)
    }

    fn add_layer(&mut self, number: usize) -> Result<()> {
        let extraction = self.request(&format!("x-{number}"), Purpose::Extract)?;
        let mounted = self.laid_out(&extraction)?;
        mkdirat(&mounted, format!("layer-{number}"), 0o755)?;
        drop(mounted);
        let layer: SnapshotKey = format!("layer-{number}").parse()?;
        let root = self.storage.driver_root(self.driver_name());
        let plan = self.driver.commit(&*root, &extraction, &layer)?;
        self.storage.apply(self.driver_name(), &plan)?;
        self.layers.insert(0, layer);
        Ok(())
    }

    fn request(&self, key: &str, purpose: Purpose) -> Result<SnapshotRequest> {
        Ok(SnapshotRequest {
            key: key.parse()?,
            parents: self.layers.clone(),
            purpose,
            size: None,
        })
    }

    fn laid_out(&self, request: &SnapshotRequest) -> Result<OwnedFd> {
        let root = self.storage.driver_root(self.driver_name());
        let StoragePlan { steps, mount } = self.driver.prepare(&*root, request)?;
        let mount = mount.context("a driver without a mount")?;
        let plan = StoragePlan { steps, mount: None };
        self.storage.apply(self.driver_name(), &plan)?;
        Ok(self.storage.open_rootfs(self.driver_name(), &mount)?)
    }

    /// What is timed.
    pub(super) fn prepare(&mut self) -> Result<()> {
        let request = self.request(CONTAINER, Purpose::Run)?;
        self.mounted = Some(self.laid_out(&request)?);
        Ok(())
    }

    pub(super) fn remove(&mut self) -> Result<()> {
        self.mounted = None;
        let root = self.storage.driver_root(self.driver_name());
        let plan = self.driver.remove(&*root, &CONTAINER.parse()?)?;
        Ok(self.storage.apply(self.driver_name(), &plan)?)
    }
}
