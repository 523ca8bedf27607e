//! An image as JSON in its row. These types are the schema: fields are only
//! ever added, with a default.

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::{Image, ImageConfig, Layer};
use bulkhead_model::{Digest, Platform};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
struct ImageRow {
    manifest: String,
    layers: Vec<LayerRow>,
    config: ConfigRow,
    os: String,
    architecture: String,
    variant: Option<String>,
    created: Option<String>,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct LayerRow {
    digest: String,
    size: u64,
    media_type: String,
    diff_id: String,
    chain_id: String,
}

#[derive(Serialize, Deserialize)]
struct ConfigRow {
    user: String,
    exposed_ports: Vec<String>,
    env: Vec<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Vec<String>,
    working_dir: String,
    labels: BTreeMap<String, String>,
    stop_signal: Option<String>,
    #[serde(default)]
    health: Option<HealthRow>,
    #[serde(default)]
    on_build: Vec<String>,
    #[serde(default)]
    shell: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct HealthRow {
    test: Vec<String>,
    interval: Duration,
    timeout: Duration,
    retries: u32,
    start_period: Duration,
    start_interval: Duration,
}

pub(super) fn to_json(image: &Image) -> String {
    let layers = image.layers.iter().map(|layer| LayerRow {
        digest: layer.digest.to_string(),
        size: layer.size,
        media_type: layer.media_type.clone(),
        diff_id: layer.diff_id.to_string(),
        chain_id: layer.chain_id.to_string(),
    });
    let row = ImageRow {
        manifest: image.manifest.to_string(),
        layers: layers.collect(),
        config: config_row(&image.config),
        os: image.platform.os.clone(),
        architecture: image.platform.architecture.clone(),
        variant: image.platform.variant.clone(),
        created: image.created.clone(),
        size: image.size,
    };
    serde_json::to_string(&row).expect("strings, numbers and string maps always serialize")
}

pub(super) fn from_json(id: &str, json: &str) -> Result<Image, StoreError> {
    let row: ImageRow = serde_json::from_str(json).map_err(|e| malformed("image", id, &e))?;
    let layer = |layer: LayerRow| {
        Ok(Layer {
            digest: digest_of("image", id, &layer.digest)?,
            size: layer.size,
            media_type: layer.media_type,
            diff_id: digest_of("image", id, &layer.diff_id)?,
            chain_id: digest_of("image", id, &layer.chain_id)?,
        })
    };
    Ok(Image {
        id: digest_of("image", id, id)?,
        manifest: digest_of("image", id, &row.manifest)?,
        layers: row
            .layers
            .into_iter()
            .map(layer)
            .collect::<Result<_, StoreError>>()?,
        config: config(row.config),
        platform: Platform {
            os: row.os,
            architecture: row.architecture,
            variant: row.variant,
        },
        created: row.created,
        size: row.size,
    })
}

fn config_row(config: &ImageConfig) -> ConfigRow {
    let ImageConfig {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        volumes,
        working_dir,
        labels,
        stop_signal,
        health,
        on_build,
        shell,
    } = config.clone();
    let health = health.map(|h| HealthRow {
        test: h.test,
        interval: h.interval,
        timeout: h.timeout,
        retries: h.retries,
        start_period: h.start_period,
        start_interval: h.start_interval,
    });
    ConfigRow {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        volumes,
        working_dir,
        labels,
        stop_signal,
        health,
        on_build,
        shell,
    }
}

fn config(row: ConfigRow) -> ImageConfig {
    let ConfigRow {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        volumes,
        working_dir,
        labels,
        stop_signal,
        health,
        on_build,
        shell,
    } = row;
    let health = health.map(|h| HealthOptions {
        test: h.test,
        interval: h.interval,
        timeout: h.timeout,
        retries: h.retries,
        start_period: h.start_period,
        start_interval: h.start_interval,
    });
    ImageConfig {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        volumes,
        working_dir,
        labels,
        stop_signal,
        health,
        on_build,
        shell,
    }
}

/// Reads a digest out of a record.
pub(crate) fn digest_of(what: &'static str, name: &str, text: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|e| malformed(what, name, &e))
}

fn malformed(what: &'static str, name: &str, detail: &dyn std::fmt::Display) -> StoreError {
    StoreError::Record {
        what,
        name: name.to_owned(),
        detail: detail.to_string(),
    }
}
