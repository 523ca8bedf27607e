//! Images: looking them up, recording, removing.

mod record;
mod remove;
mod tag;

use bulkhead_model::image::Image;
use bulkhead_model::{Digest, Reference};
use bulkhead_store::{ImageRecord, StoreError};

use crate::Engine;
use crate::error::EngineError;

pub use record::ImageToRecord;

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

    fn image_event(&self, record: &ImageRecord, action: &str) {
        let id = record.image.id.as_str();
        self.events.image(&record.image, action, id, id);
    }
}
