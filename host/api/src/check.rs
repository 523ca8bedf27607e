//! `POST /system/check`, which Docker does not have.

use serde::{Deserialize, Serialize};

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemChecked {
    /// How many images.
    pub images: u64,
    /// How many blobs.
    pub blobs: u64,
    /// Bytes of blobs, all of which were read.
    pub bytes: u64,
    /// How many layers, on all storage drivers.
    pub layers: u64,
    /// How many containers.
    pub containers: u64,
    /// How many volumes.
    pub volumes: u64,
    /// What is wrong.
    pub findings: Vec<CheckFinding>,
}

/// Something that is not as its record says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CheckFinding {
    /// `blob`, `layer`, `image`, `container`, `volume` or `database`.
    pub kind: String,
    /// Which one.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
    /// What was done about it; empty: nothing.
    pub repaired: String,
}
