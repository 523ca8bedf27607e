//! What happened: kept for those who ask later, told to those who listen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bulkhead_model::image::Image;
use tokio::sync::broadcast;

use crate::container::Container;
use crate::now;

/// Events kept for `since`.
const KEPT: usize = 4096;
/// Events that may wait for one listener; a slower one loses the oldest.
const QUEUE: usize = 1024;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The daemon itself.
    Daemon,
}

impl Subject {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Daemon => "daemon",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// Docker's word: `create`, `start`, `die`, `exec_start: sh`, …
    pub action: String,
    /// The subject's id or name.
    pub id: String,
    /// `name`, `image`, labels, `exitCode`, `signal`, …
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since the epoch; later events have later times.
    pub time: u64,
}

/// The events of one daemon's life.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<VecDeque<Event>>,
    live: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            live: broadcast::Sender::new(QUEUE),
        }
    }
}

impl Events {
    /// Says that something happened now.
    pub fn publish<'a>(
        &self,
        subject: Subject,
        action: impl Into<String>,
        id: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        self.record(
            subject,
            action.into(),
            id,
            attributes.into_iter().map(owned).collect(),
        );
    }

    /// Says that something happened to a container: its labels, image and
    /// name come along, as in Docker.
    pub fn container<'a>(
        &self,
        container: &Container,
        action: impl Into<String>,
        more: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let mut attributes = container.spec.labels.clone();
        attributes.insert("image".into(), container.spec.image.clone());
        attributes.insert("name".into(), container.name.clone());
        attributes.extend(
            more.into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        self.record(
            Subject::Container,
            action.into(),
            container.id.as_str(),
            attributes,
        );
    }

    /// Says that something happened to an image, which `id` means; its labels
    /// come along, as in Docker.
    pub fn image(&self, image: &Image, action: &str, id: &str, name: &str) {
        let mut attributes = image.config.labels.clone();
        attributes.insert("name".into(), name.to_owned());
        self.record(Subject::Image, action.to_owned(), id, attributes);
    }

    fn record(
        &self,
        subject: Subject,
        action: String,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.back().map_or(0, |event| event.time);
        let event = Event {
            subject,
            action,
            id: id.to_owned(),
            attributes,
            time: now().max(last + 1),
        };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Nobody listens: that is fine.
        let _ = self.live.send(event);
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.live.receiver_count()
    }

    /// What happened so far, oldest first, and all that happens from now on:
    /// nothing in between is lost or told twice.
    pub fn follow(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.live.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_hears_each_event_once_and_in_order() {
        let events = Events::default();
        events.publish(Subject::Volume, "create", "v", [("driver", "local")]);
        let (kept, mut live) = events.follow();
        events.publish(Subject::Volume, "destroy", "v", []);
        let later = live.try_recv().unwrap();
        assert_eq!((kept.len(), kept[0].action.as_str()), (1, "create"));
        assert_eq!(later.action, "destroy");
        assert!(later.time > kept[0].time);
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn only_so_many_are_kept() {
        let events = Events::default();
        for n in 0..=KEPT {
            events.publish(Subject::Daemon, n.to_string(), "d", []);
        }
        let (kept, _) = events.follow();
        assert_eq!((kept.len(), kept[0].action.as_str()), (KEPT, "1"));
    }
}
