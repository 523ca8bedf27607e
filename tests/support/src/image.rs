//! An image built in memory: layers, configuration, manifest.

use std::io::Write;
use std::path::Path;

use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tree::Tree;

/// How layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// What most registries hold.
    Gzip,
    /// OCI 1.1.
    Zstd,
}

/// Whose media types the manifest uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFormat {
    /// OCI image manifest.
    Oci,
    /// Docker image manifest, schema 2. It knows no zstd.
    Docker,
}

/// An image to push or load.
#[derive(Debug, Clone)]
pub struct Image {
    layers: Vec<Vec<u8>>,
    config: Value,
    /// In Go's words.
    architecture: String,
    compression: Compression,
    format: ManifestFormat,
}

/// Bytes and their digest.
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

/// A manifest with all that it names.
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    config: Blob,
    layers: Vec<Blob>,
}

impl Manifest {
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }

    pub(crate) fn layer_digests(&self) -> Vec<String> {
        self.layers
            .iter()
            .map(|layer| layer.digest.clone())
            .collect()
    }
}

impl Image {
    /// An image of the given layers, each a tar archive, lowest first.
    pub fn new(layers: Vec<Vec<u8>>) -> Self {
        let config =
            json!({ "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] });
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Image {
            layers,
            config,
            architecture: architecture.to_owned(),
            compression: Compression::Gzip,
            format: ManifestFormat::Oci,
        }
    }

    /// One more layer on top.
    #[must_use]
    pub fn layer(mut self, tree: Tree) -> Self {
        self.layers.push(tree.into_tar());
        self
    }

    /// Sets a field of the configuration's `config`, by the name the OCI image
    /// spec gives it: `Cmd`, `Entrypoint`, `Env`, `Labels`, `User`, `Volumes`,
    /// `WorkingDir`, ...
    #[must_use]
    pub fn config(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// Says that it is for another processor than this machine's.
    #[must_use]
    pub fn architecture(mut self, name: &str) -> Self {
        self.architecture = name.to_owned();
        self
    }

    /// Packs layers so when pushed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Uses these media types when pushed.
    #[must_use]
    pub fn format(mut self, format: ManifestFormat) -> Self {
        self.format = format;
        self
    }

    /// The image configuration (OCI image spec, config.md).
    fn configuration(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let history: Vec<Value> = diff_ids
            .iter()
            .map(|_| json!({ "created_by": "test" }))
            .collect();
        let document = json!({
            "created": "2020-01-01T00:00:00Z",
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        document.to_string().into_bytes()
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let config = blob(self.configuration());
        let layers: Vec<Blob> = self
            .layers
            .iter()
            .map(|layer| blob(pack(layer, self.compression)))
            .collect();
        let (manifest_type, config_type, layer_type) = self.media_types();
        let described = |blob: &Blob, media_type: &str| json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len() });
        let document = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": described(&config, config_type),
            "layers": layers.iter().map(|layer| described(layer, layer_type)).collect::<Vec<_>>(),
        });
        Manifest {
            media_type: manifest_type.to_owned(),
            bytes: document.to_string().into_bytes(),
            config,
            layers,
        }
    }

    /// Writes a directory in OCI layout (OCI image spec, image-layout.md) that
    /// names this image `tag`.
    #[track_caller]
    pub fn write_layout(&self, folder: &Path, tag: &str) {
        let manifest = self.manifest();
        let own = blob(manifest.bytes.clone());
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("a folder for blobs");
        for blob in manifest.blobs().chain([&own]) {
            let hex = blob.digest.trim_start_matches("sha256:");
            std::fs::write(blobs.join(hex), &blob.bytes).expect("write a blob");
        }
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": manifest.media_type,
                "digest": own.digest,
                "size": own.bytes.len(),
                "annotations": { "org.opencontainers.image.ref.name": tag },
            }],
        });
        std::fs::write(folder.join("index.json"), index.to_string()).expect("write the index");
        std::fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .expect("write the mark");
    }

    /// Those of the manifest, the configuration and a layer.
    fn media_types(&self) -> (&'static str, &'static str, &'static str) {
        let layer = match (self.format, self.compression) {
            (ManifestFormat::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (ManifestFormat::Oci, Compression::Gzip) => {
                "application/vnd.oci.image.layer.v1.tar+gzip"
            }
            (ManifestFormat::Oci, Compression::Zstd) => {
                "application/vnd.oci.image.layer.v1.tar+zstd"
            }
            (ManifestFormat::Docker, Compression::None) => {
                "application/vnd.docker.image.rootfs.diff.tar"
            }
            (ManifestFormat::Docker, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        };
        match self.format {
            ManifestFormat::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
                layer,
            ),
            ManifestFormat::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                layer,
            ),
        }
    }

    /// One layer's tar archive, counted from the lowest.
    pub fn layer_bytes(&self, number: usize) -> &[u8] {
        &self.layers[number]
    }

    /// What `docker save` writes: a tar of `manifest.json`, the configuration
    /// and the plain layers.
    pub fn docker_archive(&self, name: &str) -> Vec<u8> {
        Self::docker_archive_of(&[(name.to_owned(), self.clone())])
    }

    /// The same for several images that share nothing.
    pub fn docker_archive_of(images: &[(String, Self)]) -> Vec<u8> {
        let mut tree = Tree::new();
        let mut manifest = Vec::new();
        for (name, image) in images {
            let config = blob(image.configuration());
            let config_name = format!("{}.json", hex(&config.digest));
            tree = tree.file(&config_name, 0o644, &config.bytes);
            let mut layers = Vec::new();
            for layer in &image.layers {
                let name = format!("{}.tar", hex(&digest(layer)));
                tree = tree.file(&name, 0o644, layer);
                layers.push(name);
            }
            let name = match name.contains(':') {
                true => name.clone(),
                false => format!("{name}:latest"),
            };
            let named = json!({ "Config": config_name, "RepoTags": [name], "Layers": layers });
            manifest.push(named);
        }
        let manifest = Value::Array(manifest).to_string();
        tree.file("manifest.json", 0o644, manifest.as_bytes())
            .into_tar()
    }
}

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

fn blob(bytes: Vec<u8>) -> Blob {
    Blob {
        digest: digest(&bytes),
        bytes,
    }
}

/// `sha256:` and 64 lower-case digits.
pub fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn pack(tar: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => tar.to_vec(),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(tar).expect("compress in memory");
            encoder.finish().expect("compress in memory")
        }
        Compression::Zstd => zstd::encode_all(tar, 1).expect("compress in memory"),
    }
}
