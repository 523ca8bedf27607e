//! Reading manifests, indexes and configurations: OCI image-spec
//! `manifest.md`, `image-index.md`, `config.md`, and Docker's "Image Manifest
//! V 2, Schema 2", which has the same fields.
//!
//! A document is believed to be what its fields make it, and must agree with
//! the media type it came with: one that has both `manifests` and `layers`
//! could mean two images to two readers (CVE-2021-41190) and is refused.

mod config;
mod write;

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::registry::BlobDescriptor;
use bulkhead_model::{Digest, Platform};
use oci_spec::image::MediaType;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use config::{chain_id, configuration, image};
pub use write::{LAYER as TAR_LAYER, to_config, to_manifest};

/// The largest manifest, index or configuration read, bytes; what registries
/// are asked to accept (distribution-spec, "Pushing Manifests").
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
/// The most layers an image may have. Docker's limit is 127; overlayfs' 500.
pub const MAX_LAYERS: usize = 500;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1";
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More than [`MAX_DOCUMENT`] bytes.
    #[error("{document} of {size} bytes is larger than the limit of {MAX_DOCUMENT} bytes")]
    TooLarge {
        /// `manifest`, `index` or `configuration`.
        document: &'static str,
        /// Its bytes.
        size: usize,
    },
    /// The bytes are no JSON.
    #[error("invalid {document}: {detail}")]
    Syntax {
        /// `manifest`, `index` or `configuration`.
        document: &'static str,
        /// The parser's words.
        detail: String,
    },
    /// The JSON is not what the specification says; names the field.
    #[error("invalid {document}: {field}: {detail}")]
    Field {
        /// `manifest`, `index` or `configuration`.
        document: &'static str,
        /// The path to the field, such as `layers[3].digest`.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Docker's old format, which has no digests to trust. Docker's words.
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of the image to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2"
    )]
    Schema1,
    /// Both `manifests` and `layers`, or a media type that does not fit.
    #[error("invalid manifest: {0}")]
    Confused(String),
    /// An artifact that is no container image.
    #[error("unsupported media type {0}: not a container image")]
    NotAnImage(String),
    /// More than [`MAX_LAYERS`].
    #[error("image has {0} layers, more than the limit of {MAX_LAYERS}")]
    TooManyLayers(usize),
    /// The configuration lists other layers than the manifest.
    #[error("manifest has {layers} layers but the configuration lists {diff_ids} diff_ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Entries of `rootfs.diff_ids`.
        diff_ids: usize,
    },
    /// The bytes are not those the digest names.
    #[error("digest mismatch of the {document}: expected {expected}, got {actual}")]
    DigestMismatch {
        /// `manifest` or `configuration`.
        document: &'static str,
        /// The digest asked for.
        expected: Digest,
        /// What the bytes hash to.
        actual: Digest,
    },
}

impl Kind for ManifestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } | Self::TooManyLayers(_) => ErrorKind::ResourceExhausted,
            Self::Schema1 | Self::NotAnImage(_) => ErrorKind::Unsupported,
            Self::DigestMismatch { .. } => ErrorKind::Internal,
            Self::Syntax { .. }
            | Self::Field { .. }
            | Self::Confused(_)
            | Self::LayerCount { .. } => ErrorKind::InvalidArgument,
        }
    }
}

/// An image's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The configuration's blob; its digest is Docker's image id.
    pub config: BlobDescriptor,
    /// The layers' blobs, lowest first.
    pub layers: Vec<BlobDescriptor>,
}

/// One entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest it points at.
    pub descriptor: BlobDescriptor,
    /// For which machine, when it says.
    pub platform: Option<Platform>,
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Images for several machines.
    Index(Vec<IndexEntry>),
}

/// Reads a manifest or an index. `media_type` is what the registry called it
/// (`Content-Type`, or the descriptor's); empty when unknown.
pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Document, ManifestError> {
    let fields: Fields = from_json("manifest", bytes)?;
    if media_type.starts_with(SCHEMA1) || fields.schema_version == 1 {
        return Err(ManifestError::Schema1);
    }
    if fields.schema_version != 2 {
        let detail = format!("expected 2, found {}", fields.schema_version);
        return Err(ManifestError::Field {
            document: "manifest",
            field: "schemaVersion".into(),
            detail,
        });
    }
    let is_index = fields.is_index()?;
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    for named in [Some(media_type), fields.media_type.as_deref()]
        .into_iter()
        .flatten()
    {
        agree(named, is_index)?;
    }
    if is_index {
        index(fields)
    } else {
        manifest(fields).map(Document::Manifest)
    }
}

/// Reads the manifest of one image; an index is refused.
pub fn parse_manifest(media_type: &str, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    match parse(media_type, bytes)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(ManifestError::Confused(
            "expected an image's manifest, found an index".into(),
        )),
    }
}

/// The digest of bytes at hand.
pub fn digest_of(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::from_sha256(sha2::Sha256::digest(bytes).into())
}

/// Checks that `bytes` are what `expected` names.
pub fn check_digest(
    document: &'static str,
    expected: &Digest,
    bytes: &[u8],
) -> Result<(), ManifestError> {
    let actual = digest_of(bytes);
    if actual == *expected {
        return Ok(());
    }
    Err(ManifestError::DigestMismatch {
        document,
        expected: expected.clone(),
        actual,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(default)]
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    // Schema 1 has these; either beside schema 2's fields is confusion.
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    #[serde(deserialize_with = "digest_text")]
    digest: Digest,
    size: u64,
    platform: Option<PlatformFields>,
}

#[derive(Deserialize)]
struct PlatformFields {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Fields {
    fn is_index(&self) -> Result<bool, ManifestError> {
        let confused = |text: &str| Err(ManifestError::Confused(text.into()));
        match (
            &self.manifests,
            self.layers.is_some() || self.config.is_some(),
        ) {
            _ if self.fs_layers.is_some() => {
                confused("it has schema 1's fsLayers under schemaVersion 2")
            }
            (Some(_), true) => confused("it has both manifests and layers or config"),
            (None, false) => confused("it has neither manifests nor layers and config"),
            (Some(_), false) => Ok(true),
            (None, true) => Ok(false),
        }
    }
}

fn not_an_image(media_type: &str) -> ManifestError {
    ManifestError::NotAnImage(media_type.chars().take(200).collect())
}

fn agree(media_type: &str, is_index: bool) -> Result<(), ManifestError> {
    let fits = match MediaType::from(media_type) {
        MediaType::ImageIndex => is_index,
        MediaType::ImageManifest => !is_index,
        MediaType::Other(other) => match other.as_str() {
            DOCKER_LIST => is_index,
            DOCKER_MANIFEST => !is_index,
            // Registries in the wild answer with these for either.
            "" | "application/json" | "application/octet-stream" | "text/plain" => true,
            _ => return Err(not_an_image(&other)),
        },
        other => return Err(not_an_image(other.as_ref())),
    };
    let found = if is_index {
        "an index"
    } else {
        "an image's manifest"
    };
    let confused =
        || ManifestError::Confused(format!("its media type is {media_type} but it is {found}"));
    if fits { Ok(()) } else { Err(confused()) }
}

fn index(fields: Fields) -> Result<Document, ManifestError> {
    let entry = |d: Descriptor| IndexEntry {
        platform: d.platform.as_ref().map(|p| Platform {
            os: p.os.clone(),
            architecture: p.architecture.clone(),
            variant: p.variant.clone().filter(|v| !v.is_empty()),
        }),
        descriptor: d.into(),
    };
    Ok(Document::Index(
        fields
            .manifests
            .unwrap_or_default()
            .into_iter()
            .map(entry)
            .collect(),
    ))
}

fn manifest(fields: Fields) -> Result<Manifest, ManifestError> {
    let missing = |field: &str| ManifestError::Field {
        document: "manifest",
        field: field.to_owned(),
        detail: "missing".to_owned(),
    };
    let config = fields.config.ok_or_else(|| missing("config"))?;
    let layers = fields.layers.ok_or_else(|| missing("layers"))?;
    if !config.media_type.is_empty() && !CONFIGS.contains(&config.media_type.as_str()) {
        return Err(not_an_image(&config.media_type));
    }
    if layers.len() > MAX_LAYERS {
        return Err(ManifestError::TooManyLayers(layers.len()));
    }
    Ok(Manifest {
        config: config.into(),
        layers: layers.into_iter().map(Into::into).collect(),
    })
}

impl From<Descriptor> for BlobDescriptor {
    fn from(d: Descriptor) -> Self {
        Self {
            digest: d.digest,
            size: d.size,
            media_type: d.media_type,
        }
    }
}

pub(crate) fn from_json<T: DeserializeOwned>(
    document: &'static str,
    bytes: &[u8],
) -> Result<T, ManifestError> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(ManifestError::TooLarge {
            document,
            size: bytes.len(),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let detail = e.inner().to_string();
        if e.inner().is_data() {
            let field = e.path().to_string();
            ManifestError::Field {
                document,
                field,
                detail,
            }
        } else {
            ManifestError::Syntax { document, detail }
        }
    })?;
    json.end().map_err(|e| ManifestError::Syntax {
        document,
        detail: e.to_string(),
    })?;
    Ok(value)
}

fn digest_text<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
