//! Images as the engine knows them: a manifest, a configuration and layers.

use std::collections::BTreeMap;

use crate::health::HealthOptions;
use crate::{Digest, Platform};

/// What an image's configuration says about running it (OCI image-spec
/// `config.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `User`: name or number, optionally `:group`.
    pub user: String,
    /// `ExposedPorts`, such as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// `Env`, `NAME=value`.
    pub env: Vec<String>,
    /// `Entrypoint`
    pub entrypoint: Option<Vec<String>>,
    /// `Cmd`
    pub cmd: Option<Vec<String>>,
    /// `Volumes`: paths that get a volume of their own.
    pub volumes: Vec<String>,
    /// `WorkingDir`
    pub working_dir: String,
    /// `Labels`
    pub labels: BTreeMap<String, String>,
    /// `StopSignal`
    pub stop_signal: Option<String>,
    /// `Healthcheck` (Docker's, not in the OCI's specification)
    pub health: Option<HealthOptions>,
    /// `OnBuild` (Docker's): instructions for images built from this one.
    pub on_build: Vec<String>,
    /// `Shell` (Docker's): what runs the shell form of instructions.
    pub shell: Vec<String>,
}

/// One step of an image's making (OCI image-spec `config.md`, `history`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// RFC 3339
    pub created: Option<String>,
    /// The command.
    pub created_by: String,
    /// Who did it.
    pub author: String,
    /// What was said of it.
    pub comment: String,
    /// It made no layer.
    pub empty_layer: bool,
}

/// The whole configuration document of an image, as far as anyone is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// What to run.
    pub config: ImageConfig,
    /// For which machine.
    pub platform: Option<Platform>,
    /// `os.version`
    pub os_version: String,
    /// RFC 3339
    pub created: Option<String>,
    /// Who made it.
    pub author: String,
    /// `comment` (Docker's)
    pub comment: String,
    /// `docker_version` (Docker's)
    pub docker_version: String,
    /// The layers' diff ids, lowest first.
    pub diff_ids: Vec<Digest>,
    /// How it was made, oldest step first.
    pub history: Vec<History>,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the blob as the registry has it.
    pub digest: Digest,
    /// The blob's size, bytes.
    pub size: u64,
    /// The blob's media type.
    pub media_type: String,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The chain id (image-spec `config.md`, "Layer ChainID") of this layer over those below it.
    pub chain_id: Digest,
}

/// An image in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the configuration: Docker's image id.
    pub id: Digest,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What to run.
    pub config: ImageConfig,
    /// For which machine.
    pub platform: Platform,
    /// RFC 3339, as the configuration has it.
    pub created: Option<String>,
    /// Uncompressed bytes of all layers.
    pub size: u64,
}
