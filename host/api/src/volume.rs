//! Volumes.
#![expect(
    missing_docs,
    reason = "the fields are Docker's, described in its API reference"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    /// RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    pub driver: String,
    /// `null` when create gave none.
    pub labels: Option<BTreeMap<String, String>>,
    /// The host's path.
    pub mountpoint: String,
    pub name: String,
    pub options: Option<BTreeMap<String, String>>,
    /// `local`
    pub scope: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub status: BTreeMap<String, serde_json::Value>,
    /// In `GET /system/df` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<VolumeUsage>,
}

/// What a volume takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeUsage {
    /// How many containers have it; -1 when not counted.
    pub ref_count: i64,
    /// Bytes; -1 when not counted.
    pub size: i64,
}

/// The body of `POST /volumes/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeCreateRequest {
    /// Empty for a generated one.
    pub name: String,
    /// Empty for `local`.
    pub driver: String,
    pub driver_opts: BTreeMap<String, String>,
    /// `None` when the client sent none: shown as `null`.
    pub labels: Option<BTreeMap<String, String>>,
}

/// The answer of `GET /volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeList {
    pub volumes: Vec<Volume>,
    #[serde(serialize_with = "crate::json::null_when_empty")]
    pub warnings: Vec<String>,
}

/// The body of `PUT /volumes/{name}`. Docker has this call for the volumes of
/// clusters alone, with a `Spec`; here it changes labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeUpdateRequest {
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Names of labels to remove first.
    pub remove_labels: Vec<String>,
    /// Of a volume of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<serde_json::Value>,
}
