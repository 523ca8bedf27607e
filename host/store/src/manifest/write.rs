//! Writing the documents of images that are made here.

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::{Configuration, History, ImageConfig, Layer};
use bulkhead_model::{Digest, Platform};
use serde::Serialize;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer that is kept uncompressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A configuration's JSON (OCI image-spec `config.md`, with Docker's fields).
/// The same configuration gives the same bytes.
pub fn to_config(configuration: &Configuration) -> Vec<u8> {
    let platform = configuration
        .platform
        .clone()
        .unwrap_or_else(Platform::host);
    let fields = ConfigOut {
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        os_version: some(&configuration.os_version),
        author: some(&configuration.author),
        comment: some(&configuration.comment),
        docker_version: some(&configuration.docker_version),
        created: configuration.created.clone(),
        config: RunOut::from(&configuration.config),
        rootfs: RootFsOut {
            kind: "layers",
            diff_ids: &configuration.diff_ids,
        },
        history: configuration.history.iter().map(HistoryOut::from).collect(),
    };
    serde_json::to_vec(&fields).expect("strings, numbers and string maps always serialize")
}

/// The OCI manifest of a configuration and layers.
pub fn to_manifest(config: &Digest, size: usize, layers: &[Layer]) -> Vec<u8> {
    let layer = |layer: &Layer| DescriptorOut {
        media_type: oci_layer(&layer.media_type).to_owned(),
        digest: layer.digest.clone().to_string(),
        size: layer.size,
    };
    let manifest = ManifestOut {
        schema_version: 2,
        media_type: MANIFEST,
        config: DescriptorOut {
            media_type: CONFIG.to_owned(),
            digest: config.to_string(),
            size: size as u64,
        },
        layers: layers.iter().map(layer).collect(),
    };
    serde_json::to_vec(&manifest).expect("strings and numbers always serialize")
}

/// An OCI manifest has OCI's names for its layers.
fn oci_layer(media_type: &str) -> &str {
    match media_type {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        }
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            "application/vnd.oci.image.layer.v1.tar+zstd"
        }
        "application/vnd.docker.image.rootfs.diff.tar" | "" => LAYER,
        other => other,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestOut {
    schema_version: u8,
    media_type: &'static str,
    config: DescriptorOut,
    layers: Vec<DescriptorOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorOut {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct ConfigOut<'a> {
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    config: RunOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_version: Option<&'a str>,
    history: Vec<HistoryOut<'a>>,
    os: String,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<&'a str>,
    rootfs: RootFsOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

#[derive(Serialize)]
struct RootFsOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(serialize_with = "texts")]
    diff_ids: &'a [Digest],
}

#[derive(Serialize)]
struct HistoryOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty_layer: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RunOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, EmptyOut>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthOut<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<&'a str, EmptyOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    on_build: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    shell: &'a [String],
}

/// `{}`
#[derive(Serialize)]
struct EmptyOut {}

/// Durations in nanoseconds.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthOut<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    test: &'a [String],
    #[serde(skip_serializing_if = "is_zero")]
    interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    timeout: u64,
    #[serde(skip_serializing_if = "is_zero")]
    start_period: u64,
    #[serde(skip_serializing_if = "is_zero")]
    start_interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u64,
}

impl<'a> From<&'a ImageConfig> for RunOut<'a> {
    fn from(config: &'a ImageConfig) -> Self {
        let set = |keys: &'a [String]| {
            let empty = |key: &'a String| (key.as_str(), EmptyOut {});
            keys.iter().map(empty).collect()
        };
        Self {
            user: some(&config.user),
            exposed_ports: set(&config.exposed_ports),
            env: &config.env,
            entrypoint: config.entrypoint.as_deref(),
            cmd: config.cmd.as_deref(),
            healthcheck: config.health.as_ref().map(HealthOut::from),
            volumes: set(&config.volumes),
            working_dir: some(&config.working_dir),
            on_build: &config.on_build,
            labels: &config.labels,
            stop_signal: config.stop_signal.as_deref(),
            shell: &config.shell,
        }
    }
}

impl<'a> From<&'a HealthOptions> for HealthOut<'a> {
    fn from(health: &'a HealthOptions) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            test: &health.test,
            interval: nanos(health.interval),
            timeout: nanos(health.timeout),
            start_period: nanos(health.start_period),
            start_interval: nanos(health.start_interval),
            retries: health.retries.into(),
        }
    }
}

impl<'a> From<&'a History> for HistoryOut<'a> {
    fn from(step: &'a History) -> Self {
        Self {
            created: step.created.as_deref(),
            created_by: some(&step.created_by),
            author: some(&step.author),
            comment: some(&step.comment),
            empty_layer: step.empty_layer,
        }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn texts<S: serde::Serializer>(digests: &&[Digest], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(digests.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::super::{configuration, digest_of};
    use super::*;

    #[test]
    fn a_configuration_written_is_read_as_it_was() {
        let config = ImageConfig {
            user: "1000:1000".into(),
            exposed_ports: vec!["80/tcp".into()],
            env: vec!["A=1".into()],
            entrypoint: Some(vec!["/e".into()]),
            cmd: Some(vec!["a".into(), "b".into()]),
            volumes: vec!["/data".into()],
            working_dir: "/w".into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            stop_signal: Some("SIGINT".into()),
            health: Some(HealthOptions {
                test: vec!["CMD".into(), "true".into()],
                interval: Duration::from_secs(3),
                retries: 2,
                ..HealthOptions::default()
            }),
            on_build: vec!["RUN x".into()],
            shell: vec!["/bin/bash".into()],
        };
        let written = Configuration {
            config,
            platform: Some("linux/arm64/v8".parse().unwrap()),
            os_version: "5".into(),
            created: Some("2026-11-22T00:00:00Z".into()),
            author: "a".into(),
            comment: "c".into(),
            docker_version: "20".into(),
            diff_ids: vec![digest_of(b"1")],
            history: vec![History {
                created_by: "sh".into(),
                empty_layer: true,
                ..History::default()
            }],
        };
        assert_eq!(configuration(&to_config(&written)).unwrap(), written);
    }

    #[test]
    fn a_manifest_of_ours_is_read_with_the_oci_names_of_its_layers() {
        let digest = digest_of(b"x");
        let layer = |media_type: &str| Layer {
            digest: digest.clone(),
            size: 1,
            media_type: media_type.into(),
            diff_id: digest.clone(),
            chain_id: digest.clone(),
        };
        let docker = layer("application/vnd.docker.image.rootfs.diff.tar.gzip");
        let bytes = to_manifest(&digest, 7, &[docker, layer("")]);
        let manifest = super::super::parse_manifest(MANIFEST, &bytes).unwrap();
        let types: Vec<_> = manifest.layers.iter().map(|l| &*l.media_type).collect();
        assert_eq!(
            types,
            ["application/vnd.oci.image.layer.v1.tar+gzip", LAYER]
        );
        assert_eq!(manifest.config.size, 7);
    }
}
