//! The JSON lines of `GET /events`.
#![expect(
    missing_docs,
    reason = "the fields are Docker's, described in its API reference"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// The action once more, for clients from before API 1.22; only for
    /// containers and images.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The actor's id once more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// A container's image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `network`, `volume`, `daemon`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `create`, `start`, `exec_start: sh`, …
    #[serde(rename = "Action")]
    pub action: String,
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// `local`
    pub scope: String,
    /// Seconds since the epoch.
    pub time: i64,
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EventActor {
    #[serde(rename = "ID")]
    pub id: String,
    pub attributes: BTreeMap<String, String>,
}
