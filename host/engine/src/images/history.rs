//! `history`: how an image was made, and which of the steps are images here.

use std::collections::VecDeque;

use bulkhead_model::image::History;
use bulkhead_model::{Digest, Reference};
use bulkhead_store::ImageRecord;

use crate::Engine;
use crate::error::EngineError;

/// One step of an image's making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryStep {
    /// What the configuration says.
    pub history: History,
    /// The image that this step ended in, if it is here and known to be it.
    pub image: Option<Digest>,
    /// That image's tags.
    pub tags: Vec<Reference>,
    /// Bytes of the step's layer.
    pub size: u64,
}

impl Engine {
    /// The steps, newest first.
    pub fn image_history(&self, text: &str) -> Result<Vec<HistoryStep>, EngineError> {
        let record = self.image_record(text)?;
        let mut sizes = self.layer_usage(&record.image)?.into_iter();
        let mut steps = VecDeque::new();
        for history in self.image_configuration(&record.image)?.history {
            let size = match history.empty_layer {
                true => 0,
                false => {
                    let layer = sizes.next().ok_or(EngineError::TooMuchHistory)?;
                    layer.1
                }
            };
            steps.push_front(HistoryStep {
                history,
                image: None,
                tags: Vec::new(),
                size,
            });
        }
        let mut at: Option<ImageRecord> = Some(record);
        for step in &mut steps {
            let Some(record) = at else { break };
            step.image = Some(record.image.id);
            step.tags = record.tags;
            // A parent that is gone ends the known part.
            at = record
                .parent
                .and_then(|parent| self.store.image(parent.as_str()).ok());
        }
        Ok(steps.into())
    }
}
