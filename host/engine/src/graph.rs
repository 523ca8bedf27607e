//! What `inspect` says of where a container's and an image's files are, as
//! Docker's drivers do: an overlay's directories, a volume's device. Other
//! drivers have nothing to tell.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bulkhead_model::SnapshotKey;
use bulkhead_model::container::State;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Image;
use bulkhead_model::storage::{DirPath, Purpose, RootMount, SnapshotRequest};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;

/// Names and values, by Docker's names.
type GraphData = BTreeMap<String, String>;

impl Engine {
    /// Of a container. The merged tree is in no mount table of the host's: it
    /// is seen through the container's first process.
    pub fn container_graph(&self, record: &Container) -> Result<GraphData, EngineError> {
        let driver = record.storage_driver.as_str();
        let mount = self.snapshot_mount(record, Purpose::Run)?;
        let mut data = self.mount_data(driver, &mount);
        if let (RootMount::Overlay { .. }, State::Running { pid, .. }) = (&mount, &record.state) {
            data.insert("MergedDir".to_owned(), format!("/proc/{pid}/root"));
        }
        Ok(data)
    }

    /// Of an image, on a driver that has its layers.
    pub fn image_graph(&self, image: &Image, driver: &str) -> Result<GraphData, EngineError> {
        let storage = self.storage_driver(Some(driver))?;
        let layers = image.layers.iter().rev();
        let mut keys: Vec<_> = layers
            .map(|layer| SnapshotKey::of_chain(&layer.chain_id))
            .collect();
        if keys.is_empty() {
            return Ok(GraphData::new());
        }
        let parents = keys.split_off(1);
        let own = self.layer_mount(&**storage, &keys[0], &parents, Purpose::Extract)?;
        let (RootMount::Bind { source, .. }, true) = (&own, storage.features().overlay_layers)
        else {
            return Ok(self.mount_data(driver, &own));
        };
        let mut data = GraphData::new();
        data.insert("UpperDir".to_owned(), self.shown(driver, source));
        if !parents.is_empty() {
            let below = self.layer_mount(&**storage, &keys[0], &parents, Purpose::View)?;
            let lower = match &below {
                RootMount::Overlay { lower, .. } => self.all_shown(driver, lower),
                RootMount::Bind { source, .. } | RootMount::Volume { source, .. } => {
                    self.shown(driver, source)
                }
            };
            data.insert("LowerDir".to_owned(), lower);
        }
        Ok(data)
    }

    fn layer_mount(
        &self,
        driver: &dyn StorageDriver,
        key: &SnapshotKey,
        parents: &[SnapshotKey],
        purpose: Purpose,
    ) -> Result<RootMount, EngineError> {
        let request = SnapshotRequest {
            key: key.clone(),
            parents: parents.to_vec(),
            purpose,
            size: None,
        };
        let root = self.runtime.driver_root(driver.driver_name());
        let mount = driver.mounts(&*root, &request)?.mount;
        mount.ok_or_else(|| EngineError::NoMount(driver.driver_name().to_owned()))
    }

    fn mount_data(&self, driver: &str, mount: &RootMount) -> GraphData {
        let mut data = GraphData::new();
        let mut set = |name: &str, value: String| data.insert(name.to_owned(), value);
        match mount {
            RootMount::Overlay { lower, upper, .. } => {
                set("LowerDir", self.all_shown(driver, lower));
                if let Some((upper, work)) = upper {
                    set("UpperDir", self.shown(driver, upper));
                    set("WorkDir", self.shown(driver, work));
                }
            }
            RootMount::Volume { source, .. } => {
                if let Some(volume) = self.runtime.driver_root(driver).volume(source) {
                    set("DeviceSize", volume.size.to_string());
                    if let Some(device) = volume.device {
                        set("DeviceId", device.id.to_string());
                        set("DeviceName", device.name);
                    }
                }
            }
            RootMount::Bind { .. } => {}
        }
        data
    }

    fn shown(&self, driver: &str, dir: &DirPath) -> String {
        let root: PathBuf = self.store.path().join("storage").join(driver);
        root.join(dir.to_string()).to_string_lossy().into_owned()
    }

    fn all_shown(&self, driver: &str, dirs: &[DirPath]) -> String {
        let all: Vec<String> = dirs.iter().map(|dir| self.shown(driver, dir)).collect();
        all.join(":")
    }
}
