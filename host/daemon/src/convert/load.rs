//! A load's events as Docker's lines.

use bulkhead_api::progress::Progress as Line;
use bulkhead_engine::LoadEvent;

/// The lines for one event.
pub fn lines(event: &LoadEvent, quiet: bool) -> Vec<Line> {
    match event {
        LoadEvent::Layer(..) if quiet => Vec::new(),
        LoadEvent::Layer(diff_id, done, of) => {
            vec![Line::bytes(diff_id.short(), "Loading layer", *done, *of)]
        }
        LoadEvent::Renamed { name, old } => vec![Line::stream(format!(
            "The image {} already exists, renaming the old one with ID {old} to empty string\n",
            name.familiar()
        ))],
        LoadEvent::Loaded { id, names } if names.is_empty() => {
            vec![Line::stream(format!("Loaded image ID: {id}\n"))]
        }
        LoadEvent::Loaded { names, .. } => names
            .iter()
            .map(|name| Line::stream(format!("Loaded image: {}\n", name.familiar())))
            .collect(),
    }
}
