//! Reading an image's configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::{Configuration, History, Image, ImageConfig, Layer};
use bulkhead_model::{Digest, Platform};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use super::{Manifest, ManifestError, check_digest, from_json};

/// Builds the image of a manifest (named by `digest`) and the bytes of its
/// configuration, which are checked against the manifest. `size` is left 0:
/// it is known when the layers are unpacked.
pub fn image(digest: &Digest, manifest: &Manifest, config: &[u8]) -> Result<Image, ManifestError> {
    let fields: ConfigFields = from_json("configuration", config)?;
    check_digest("configuration", &manifest.config.digest, config)?;
    let diff_ids = fields.diff_ids()?;
    if diff_ids.len() != manifest.layers.len() {
        return Err(ManifestError::LayerCount {
            layers: manifest.layers.len(),
            diff_ids: diff_ids.len(),
        });
    }
    Ok(Image {
        id: manifest.config.digest.clone(),
        manifest: digest.clone(),
        layers: layers(manifest, diff_ids),
        platform: fields.platform()?,
        config: fields.config.unwrap_or_default().into(),
        created: fields.created,
        size: 0,
    })
}

/// Reads a whole configuration.
pub fn configuration(config: &[u8]) -> Result<Configuration, ManifestError> {
    let fields: ConfigFields = from_json("configuration", config)?;
    let (platform, diff_ids) = (fields.platform()?, fields.diff_ids()?);
    let history = fields.history.into_iter().flatten();
    Ok(Configuration {
        platform: Some(platform),
        diff_ids,
        config: fields.config.unwrap_or_default().into(),
        os_version: fields.os_version.unwrap_or_default(),
        created: fields.created,
        author: fields.author.unwrap_or_default(),
        comment: fields.comment.unwrap_or_default(),
        docker_version: fields.docker_version.unwrap_or_default(),
        history: history.map(History::from).collect(),
    })
}

fn layers(manifest: &Manifest, diff_ids: Vec<Digest>) -> Vec<Layer> {
    let mut below: Option<Digest> = None;
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (blob, diff_id) in manifest.layers.iter().zip(diff_ids) {
        let chain_id = chain_id(below.as_ref(), &diff_id);
        below = Some(chain_id.clone());
        layers.push(Layer {
            digest: blob.digest.clone(),
            size: blob.size,
            media_type: blob.media_type.clone(),
            diff_id,
            chain_id,
        });
    }
    layers
}

/// `ChainID(L₀) = DiffID(L₀)`, `ChainID(L₀|…|Lₙ) = Digest(ChainID(L₀|…|Lₙ₋₁)
/// + " " + DiffID(Lₙ))` (image-spec `config.md`).
pub fn chain_id(below: Option<&Digest>, diff_id: &Digest) -> Digest {
    match below {
        None => diff_id.clone(),
        Some(below) => {
            let text = format!("{below} {diff_id}");
            Digest::from_sha256(Sha256::digest(text).into())
        }
    }
}

#[derive(Deserialize)]
struct ConfigFields {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
    created: Option<String>,
    config: Option<RunFields>,
    rootfs: Option<RootFs>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    docker_version: Option<String>,
    history: Option<Vec<HistoryFields>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HistoryFields {
    created: Option<String>,
    created_by: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    empty_layer: Option<bool>,
}

impl From<HistoryFields> for History {
    fn from(fields: HistoryFields) -> Self {
        Self {
            created: fields.created,
            created_by: fields.created_by.unwrap_or_default(),
            author: fields.author.unwrap_or_default(),
            comment: fields.comment.unwrap_or_default(),
            empty_layer: fields.empty_layer.unwrap_or(false),
        }
    }
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

/// Docker writes `null` for what is empty, so every field is optional.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunFields {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, IgnoredAny>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, IgnoredAny>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    healthcheck: Option<HealthFields>,
    on_build: Option<Vec<String>>,
    shell: Option<Vec<String>>,
}

/// Durations in nanoseconds.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthFields {
    test: Option<Vec<String>>,
    interval: i64,
    timeout: i64,
    start_period: i64,
    start_interval: i64,
    retries: i64,
}

impl From<HealthFields> for HealthOptions {
    fn from(fields: HealthFields) -> Self {
        let time = |nanos: i64| Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        Self {
            test: fields.test.unwrap_or_default(),
            interval: time(fields.interval),
            timeout: time(fields.timeout),
            start_period: time(fields.start_period),
            start_interval: time(fields.start_interval),
            retries: u32::try_from(fields.retries).unwrap_or(0),
        }
    }
}

impl ConfigFields {
    fn diff_ids(&self) -> Result<Vec<Digest>, ManifestError> {
        let diff_ids = self
            .rootfs
            .as_ref()
            .and_then(|r| r.diff_ids.as_deref())
            .unwrap_or_default();
        let parse = |(i, text): (usize, &String)| {
            text.parse()
                .map_err(|e: bulkhead_model::digest::InvalidDigest| {
                    field(&format!("rootfs.diff_ids[{i}]"), &e.to_string())
                })
        };
        diff_ids.iter().enumerate().map(parse).collect()
    }

    fn platform(&self) -> Result<Platform, ManifestError> {
        // Docker takes an image without `os` for one of its own platform's.
        let os = if self.os.is_empty() {
            "linux"
        } else {
            &self.os
        };
        if self.architecture.is_empty() {
            return Err(field("architecture", "missing"));
        }
        Ok(Platform {
            os: os.to_owned(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|v| !v.is_empty()),
        })
    }
}

impl From<RunFields> for ImageConfig {
    fn from(run: RunFields) -> Self {
        Self {
            user: run.user.unwrap_or_default(),
            exposed_ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
            env: run.env.unwrap_or_default(),
            entrypoint: run.entrypoint.filter(|e| !e.is_empty()),
            cmd: run.cmd.filter(|c| !c.is_empty()),
            volumes: run.volumes.unwrap_or_default().into_keys().collect(),
            working_dir: run.working_dir.unwrap_or_default(),
            labels: run.labels.unwrap_or_default(),
            stop_signal: run.stop_signal.filter(|s| !s.is_empty()),
            health: run.healthcheck.map(HealthOptions::from),
            on_build: run.on_build.unwrap_or_default(),
            shell: run.shell.unwrap_or_default(),
        }
    }
}

fn field(name: &str, detail: &str) -> ManifestError {
    ManifestError::Field {
        document: "configuration",
        field: name.to_owned(),
        detail: detail.to_owned(),
    }
}
