//! A pull's events as Docker's progress lines.

use std::collections::HashMap;

use bulkhead_api::progress::Progress as Line;
use bulkhead_engine::{Progress, PullEvent};
use bulkhead_model::Digest;

/// Bytes that must have come before another line about them is worth sending.
const STEP: u64 = 512 * 1024;

/// Turns events into lines, fewer than there are events.
#[derive(Debug, Default)]
pub struct Lines {
    told: HashMap<Digest, u64>,
}

impl Lines {
    /// The lines for one event.
    pub fn of(&mut self, event: PullEvent) -> Vec<Line> {
        match event {
            PullEvent::Pulling(reference) => {
                let id = match (&reference.digest, &reference.tag) {
                    (None, Some(tag)) => tag.clone(),
                    _ => reference.familiar(),
                };
                let line = Line {
                    id,
                    ..Line::status(format!("Pulling from {}", reference.path))
                };
                vec![line]
            }
            PullEvent::Layer(digest, progress) => {
                self.layer(&digest, progress).into_iter().collect()
            }
            PullEvent::Resolved(digest) => vec![Line::status(format!("Digest: {digest}"))],
            PullEvent::Done { reference, newer } => {
                let what = if newer {
                    "Downloaded newer image for"
                } else {
                    "Image is up to date for"
                };
                vec![Line::status(format!(
                    "Status: {what} {}",
                    reference.familiar()
                ))]
            }
            PullEvent::OtherPlatform {
                reference,
                actual,
                wanted,
            } => vec![Line::status(format!(
                "WARNING: image with reference {} was found but its platform ({actual}) does not match the specified platform ({wanted})",
                reference.familiar()
            ))],
        }
    }

    fn layer(&mut self, digest: &Digest, progress: Progress) -> Option<Line> {
        let id = digest.short();
        Some(match progress {
            Progress::AlreadyExists => Line::step(id, "Already exists"),
            Progress::Queued => Line::step(id, "Pulling fs layer"),
            Progress::Downloading(bytes, of) => {
                let told = self.told.entry(digest.clone()).or_default();
                if bytes < of && bytes < *told + STEP {
                    return None;
                }
                *told = bytes;
                Line::bytes(id, "Downloading", bytes, of)
            }
            Progress::Downloaded => Line::step(id, "Download complete"),
            Progress::Extracting(bytes) => Line::bytes(id, "Extracting", bytes, bytes),
            Progress::Complete => Line::step(id, "Pull complete"),
        })
    }
}
