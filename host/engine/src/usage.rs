//! What is stored for whom: the sizes that `ps -s` and `system df` show.

use bulkhead_model::Digest;
use bulkhead_model::image::Image;
use bulkhead_model::storage::{Purpose, SnapshotRequest};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;

/// A container's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    /// What it alone holds.
    pub writable: u64,
    /// That and its image.
    pub root: u64,
}

impl Engine {
    /// Counts a container's bytes: a walk through its writable snapshot.
    pub fn container_usage(&self, record: &Container) -> Result<ContainerUsage, EngineError> {
        let driver = self.storage_driver(Some(&record.storage_driver))?;
        let root = self.runtime.driver_root(driver.driver_name());
        let request = SnapshotRequest {
            key: record.snapshot(),
            parents: record.parent_keys(),
            purpose: Purpose::View,
            size: None,
        };
        let writable = driver.usage(&*root, &request)?.bytes;
        // An image that was removed by force has no size any more.
        let image = self.image(&record.image_id).map_or(0, |image| image.size);
        Ok(ContainerUsage {
            writable,
            root: image.saturating_add(writable),
        })
    }

    /// An image's layers with the bytes of each, as whichever driver counted them.
    pub fn layer_usage(&self, image: &Image) -> Result<Vec<(Digest, u64)>, EngineError> {
        let bytes = |chain| {
            for driver in self.storage.keys() {
                if let Some(layer) = self.store.layer(driver, chain)? {
                    return Ok(layer.bytes);
                }
            }
            Ok::<_, EngineError>(0)
        };
        let each = image.layers.iter().map(|layer| &layer.chain_id);
        each.map(|chain| Ok((chain.clone(), bytes(chain)?)))
            .collect()
    }
}
