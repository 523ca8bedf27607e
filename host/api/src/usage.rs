//! What is stored and what may go: `GET /system/df` and the prune calls.
#![expect(
    missing_docs,
    reason = "the fields are Docker's, described in its API reference"
)]

use serde::{Deserialize, Serialize};

use crate::container::ContainerSummary;
use crate::image::{ImageDeleted, ImageSummary};
use crate::volume::Volume;

/// The answer of `GET /system/df`; `None` for a kind that was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all layers of images.
    pub layers_size: i64,
    pub images: Option<Vec<ImageSummary>>,
    /// With their sizes.
    pub containers: Option<Vec<ContainerSummary>>,
    /// With their `UsageData`.
    pub volumes: Option<Vec<Volume>>,
    pub build_cache: Option<Vec<serde_json::Value>>,
    /// Gone in API 1.42.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder_size: Option<i64>,
    /// From API 1.52 on, which takes the fields above away with 1.53.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_usage: Option<ObjectsUsage<ImageSummary>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_usage: Option<ObjectsUsage<ContainerSummary>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_usage: Option<ObjectsUsage<Volume>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_cache_usage: Option<ObjectsUsage<serde_json::Value>>,
}

/// One kind of object in sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ObjectsUsage<T: Default> {
    /// How many are in use.
    pub active_count: i64,
    pub total_count: i64,
    /// Bytes that a prune would free.
    pub reclaimable: i64,
    /// Bytes.
    pub total_size: i64,
    /// With `verbose` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<T>>,
}

/// The answer of `POST /containers/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainersPruned {
    #[serde(serialize_with = "crate::json::null_when_empty")]
    pub containers_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The answer of `POST /images/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagesPruned {
    #[serde(serialize_with = "crate::json::null_when_empty")]
    pub images_deleted: Vec<ImageDeleted>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The answer of `POST /networks/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworksPruned {
    #[serde(serialize_with = "crate::json::null_when_empty")]
    pub networks_deleted: Vec<String>,
}

/// The answer of `POST /volumes/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumesPruned {
    pub volumes_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The answer of `POST /build/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildPruned {
    #[serde(serialize_with = "crate::json::null_when_empty")]
    pub caches_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}
