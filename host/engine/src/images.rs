//! `images`, `inspect` and `rmi`.

use std::sync::Arc;

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Image;
use bulkhead_model::{Digest, Reference, SnapshotKey};
use bulkhead_store::{ImageRecord, StoreError};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;

/// One image in a list.
#[derive(Debug)]
pub struct ImageListed {
    /// The record.
    pub record: ImageRecord,
    /// How many containers were made from it.
    pub containers: usize,
}

/// One step of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageDeleted {
    /// A name was taken away.
    Untagged(String),
    /// An image or a layer is gone.
    Deleted(Digest),
}

impl Engine {
    /// The image that `text` means: a name, an id or its beginning.
    pub fn image(&self, text: &str) -> Result<Image, EngineError> {
        self.image_record(text).map(|r| r.image)
    }

    /// The same with its names.
    pub fn image_record(&self, text: &str) -> Result<ImageRecord, EngineError> {
        self.store.image(text).map_err(|error| match error {
            StoreError::NotFound { .. } => EngineError::NoSuchImage(
                text.parse::<Reference>()
                    .map_or_else(|_| text.to_owned(), |r| r.familiar()),
            ),
            other => other.into(),
        })
    }

    /// Every image.
    pub fn images(&self) -> Result<Vec<ImageListed>, EngineError> {
        let users = self.containers.all();
        let count = |id: &str| users.iter().filter(|e| e.record().image_id == id).count();
        let listed = |record: ImageRecord| ImageListed {
            containers: count(&record.image.id.to_string()),
            record,
        };
        Ok(self.store.images()?.into_iter().map(listed).collect())
    }

    /// Whether an image is the one embedded in this program.
    pub(crate) fn is_embedded(&self, image_id: &str) -> bool {
        self.sources
            .embedded
            .as_ref()
            .is_some_and(|e| e.image_id.as_str() == image_id)
    }

    /// Takes a name away and, with the last one, the image with what only it
    /// used. By id it takes all names when there is one, or when forced.
    pub fn remove_image(&self, text: &str, force: bool) -> Result<Vec<ImageDeleted>, EngineError> {
        let record = self.image_record(text)?;
        let by_id = text.strip_prefix("sha256:").unwrap_or(text);
        let named = text
            .parse::<Reference>()
            .ok()
            .filter(|r| record.tags.contains(r) || record.digests.contains(r));
        let named = named.filter(|_| record.image.id.hex() != by_id);
        if let Some(name) = &named
            && record.tags.len() > 1
        {
            self.store.untag_image(name)?;
            self.image_event(&record, "untag");
            return Ok(vec![ImageDeleted::Untagged(name.familiar())]);
        }
        if named.is_none() && record.tags.len() > 1 && !force {
            return Err(EngineError::ImageInUse {
                image: record.image.id.short().to_owned(),
                reason: "must be forced",
                detail: "image is referenced in multiple repositories".to_owned(),
            });
        }
        self.refuse_used(&record, named.as_ref(), force)?;
        let mut deleted: Vec<_> = record
            .tags
            .iter()
            .chain(&record.digests)
            .map(|r| ImageDeleted::Untagged(r.familiar()))
            .collect();
        self.store.delete_image(&record.image.id)?;
        for _ in &record.tags {
            self.image_event(&record, "untag");
        }
        self.image_event(&record, "delete");
        deleted.push(ImageDeleted::Deleted(record.image.id.clone()));
        deleted.extend(self.collect()?.into_iter().map(ImageDeleted::Deleted));
        Ok(deleted)
    }

    fn image_event(&self, record: &ImageRecord, action: &str) {
        let id = record.image.id.as_str();
        self.events.image(&record.image, action, id, id);
    }

    fn refuse_used(
        &self,
        record: &ImageRecord,
        named: Option<&Reference>,
        force: bool,
    ) -> Result<(), EngineError> {
        let id = record.image.id.to_string();
        let users: Vec<Arc<Container>> = self
            .containers
            .all()
            .iter()
            .map(|e| e.record())
            .filter(|c| c.image_id == id)
            .collect();
        let image = record.image.id.short().to_owned();
        if let Some(running) = users.iter().find(|c| c.state.is_active()) {
            let detail = format!(
                "image is being used by running container {}",
                running.id.short()
            );
            return Err(EngineError::ImageInUse {
                image,
                reason: "cannot be forced",
                detail,
            });
        }
        match (users.first(), named) {
            (Some(user), Some(name)) if !force => Err(EngineError::ImageNamedByContainer {
                reference: name.familiar(),
                container: user.id.short().to_owned(),
                image,
            }),
            (Some(user), None) if !force => {
                let detail = format!(
                    "image is being used by stopped container {}",
                    user.id.short()
                );
                Err(EngineError::ImageInUse {
                    image,
                    reason: "must be forced",
                    detail,
                })
            }
            _ => Ok(()),
        }
    }

    /// Removes the layers and blobs that neither an image nor a container needs.
    fn collect(&self) -> Result<Vec<Digest>, EngineError> {
        let mut gone = Vec::new();
        for driver in self.storage.values() {
            let chains = self.chains.of(driver.driver_name());
            gone.extend(chains.removing(|held| self.collect_chains(driver, held))?);
        }
        self.store.collect_blobs()?;
        gone.sort();
        gone.dedup();
        Ok(gone)
    }

    fn collect_chains(
        &self,
        driver: &Arc<dyn StorageDriver>,
        held: &dyn Fn(&Digest) -> bool,
    ) -> Result<Vec<Digest>, EngineError> {
        let name = driver.driver_name();
        let live = self.chains_in_use(name);
        let mut chains = self.store.unreferenced_layers(name, &live)?;
        chains.retain(|chain| !held(chain));
        for chain in &chains {
            self.store.forget_layer(name, chain)?;
            let root = self.runtime.driver_root(name);
            let plan = driver.remove(&*root, &SnapshotKey::of_chain(chain))?;
            self.runtime.apply_storage(name, &plan)?;
        }
        Ok(chains)
    }

    fn chains_in_use(&self, driver: &str) -> std::collections::HashSet<Digest> {
        let records = self
            .containers
            .all()
            .into_iter()
            .map(|e| e.record())
            .filter(|c| c.storage_driver == driver);
        records
            .flat_map(|c| c.parents.clone())
            .filter_map(|p| format!("sha256:{p}").parse().ok())
            .collect()
    }
}
