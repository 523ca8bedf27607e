//! A push's events as Docker's progress lines.

use std::collections::HashMap;

use bulkhead_api::progress::{Progress as Line, PushResult};
use bulkhead_engine::push::{PushEvent, PushProgress};
use bulkhead_model::Digest;

/// Bytes that must have gone before another line about them is worth sending.
const STEP: u64 = 512 * 1024;

/// Turns events into lines, fewer than there are events.
#[derive(Debug, Default)]
pub struct Lines {
    told: HashMap<Digest, u64>,
}

impl Lines {
    /// The lines for one event.
    pub fn of(&mut self, event: PushEvent) -> Vec<Line> {
        match event {
            PushEvent::Begins(repository) => {
                let name = format!("{}/{}", repository.domain, repository.path);
                vec![Line::status(format!(
                    "The push refers to repository [{name}]"
                ))]
            }
            PushEvent::Layer(layer, progress) => self.layer(&layer, progress).into_iter().collect(),
            PushEvent::Done { tag, digest, size } => {
                let aux = PushResult {
                    tag: tag.clone(),
                    digest: digest.to_string(),
                    size: i64::try_from(size).unwrap_or(i64::MAX),
                };
                let said = Line::status(format!("{tag}: digest: {digest} size: {size}"));
                let aux = Line {
                    aux: Some(aux),
                    detail: Some(bulkhead_api::progress::ProgressDetail::default()),
                    ..Line::default()
                };
                vec![said, aux]
            }
        }
    }

    fn layer(&mut self, layer: &Digest, progress: PushProgress) -> Option<Line> {
        let id = layer.short();
        Some(match progress {
            PushProgress::Preparing => Line::step(id, "Preparing"),
            PushProgress::Waiting => Line::step(id, "Waiting"),
            PushProgress::AlreadyExists => Line::step(id, "Layer already exists"),
            PushProgress::Mounted(from) => Line::step(id, format!("Mounted from {from}")),
            PushProgress::Pushing(bytes, of) => {
                let told = self.told.entry(layer.clone()).or_default();
                // A transfer that was broken off starts again further back.
                if bytes < of && bytes >= *told && bytes < *told + STEP {
                    return None;
                }
                *told = bytes;
                Line::bytes(id, "Pushing", bytes, of)
            }
            PushProgress::Pushed => Line::step(id, "Pushed"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_reads_as_dockers() {
        let mut lines = Lines::default();
        let digest: Digest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
        let repository = "localhost:5000/x".parse().unwrap();
        let mut texts = Vec::new();
        for event in [
            PushEvent::Begins(repository),
            PushEvent::Layer(digest.clone(), PushProgress::Pushing(1000, 1 << 30)),
            PushEvent::Layer(digest.clone(), PushProgress::Mounted("a/b".into())),
            PushEvent::Done {
                tag: "1".into(),
                digest: digest.clone(),
                size: 528,
            },
        ] {
            let told = lines.of(event);
            texts.extend(told.iter().map(|l| String::from_utf8(l.to_line()).unwrap()));
        }
        assert_eq!(
            texts,
            [
                "{\"status\":\"The push refers to repository [localhost:5000/x]\"}\r\n".to_owned(),
                "{\"status\":\"Mounted from a/b\",\"progressDetail\":{},\"id\":\"abababababab\"}\r\n".to_owned(),
                format!("{{\"status\":\"1: digest: {digest} size: 528\"}}\r\n"),
                format!("{{\"progressDetail\":{{}},\"aux\":{{\"Tag\":\"1\",\"Digest\":\"{digest}\",\"Size\":528}}}}\r\n"),
            ]
        );
    }
}
