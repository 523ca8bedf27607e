//! The documents of signatures.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_model::registry::BlobDescriptor;
use serde::Deserialize;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPES: [&str; 2] = [
    "cosign container image signature",
    "atomic container signature",
];

/// A payload's blob, and the signature beside it.
pub(super) struct Part {
    pub(super) blob: BlobDescriptor,
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The signatures of a manifest; one that holds none, or is none, has none.
pub(super) fn parts(manifest: &[u8]) -> Vec<Part> {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(manifest) else {
        return Vec::new();
    };
    let part = |layer: Layer| {
        let signature = layer.annotations.get(SIGNATURE)?;
        Some(Part {
            signature: STANDARD.decode(signature.trim()).ok()?,
            blob: BlobDescriptor {
                digest: layer.digest.parse().ok()?,
                size: layer.size,
                media_type: layer.media_type,
            },
        })
    };
    let signing = |layer: &Layer| layer.media_type == SIMPLE_SIGNING;
    let layers = manifest.layers.into_iter().filter(signing);
    layers.filter_map(part).collect()
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The digest that a payload is about.
pub(super) fn signed_digest(payload: &[u8]) -> Option<String> {
    let payload: Payload = serde_json::from_slice(payload).ok()?;
    let known = TYPES.contains(&payload.critical.kind.as_str());
    let digest = payload.critical.image.docker_manifest_digest;
    known.then(|| digest.chars().take(200).collect())
}
