//! `tag`: another name for an image.

use bulkhead_model::Reference;

use crate::Engine;
use crate::error::EngineError;

impl Engine {
    /// Points `name` at the image that `text` means, away from what it pointed
    /// at before.
    pub fn tag_image(&self, text: &str, name: &Reference) -> Result<(), EngineError> {
        let record = self.image_record(text)?;
        self.store.tag_image(&record.image.id, name)?;
        let id = record.image.id.as_str();
        self.events
            .image(&record.image, "tag", id, &name.familiar());
        Ok(())
    }
}
