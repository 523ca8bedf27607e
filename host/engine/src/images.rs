//! Images: looking them up, recording, removing.

mod history;
mod record;
mod remove;
mod tag;

use std::collections::HashMap;

use bulkhead_model::image::Image;
use bulkhead_model::reference::InvalidReference;
use bulkhead_model::{Digest, Reference};
use bulkhead_store::{ImageRecord, StoreError};

use crate::Engine;
use crate::error::EngineError;

pub use history::HistoryStep;
pub use record::ImageToRecord;

/// One image in a list.
#[derive(Debug)]
pub struct ImageListed {
    /// The record.
    pub record: ImageRecord,
    /// How many containers were made from it.
    pub containers: usize,
    /// How many images were made from it here.
    pub children: usize,
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
            StoreError::NotFound { .. } => match text.parse::<Reference>() {
                Ok(name) => EngineError::NoSuchImage(name.familiar()),
                Err(InvalidReference::LooksLikeId(id)) => EngineError::NoSuchImage(id),
                Err(invalid) => invalid.into(),
            },
            other => other.into(),
        })
    }

    /// Every image.
    pub fn images(&self) -> Result<Vec<ImageListed>, EngineError> {
        let mut users: HashMap<String, usize> = HashMap::new();
        for entry in self.containers.all() {
            *users.entry(entry.record().image_id.clone()).or_default() += 1;
        }
        let records = self.store.images()?;
        let mut children: HashMap<Digest, usize> = HashMap::new();
        for parent in records.iter().filter_map(|record| record.parent.clone()) {
            *children.entry(parent).or_default() += 1;
        }
        let listed = |record: ImageRecord| ImageListed {
            containers: users.get(record.image.id.as_str()).copied().unwrap_or(0),
            children: children.get(&record.image.id).copied().unwrap_or(0),
            record,
        };
        Ok(records.into_iter().map(listed).collect())
    }

    /// Whether an image is the one embedded in this program.
    pub(crate) fn is_embedded(&self, image_id: &str) -> bool {
        self.sources
            .embedded
            .as_ref()
            .is_some_and(|e| e.image_id.as_str() == image_id)
    }

    fn image_event(&self, record: &ImageRecord, action: &str) {
        let id = record.image.id.as_str();
        self.events.image(&record.image, action, id, id);
    }
}
