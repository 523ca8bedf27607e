//! The manifest that is pushed: an image's own where it came from a registry,
//! else one that is written.

use bulkhead_model::registry::{BlobDescriptor, ResolvedManifest};
use bulkhead_store::{ImageRecord, Store, manifest};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// The kind of a manifest that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Docker's image manifest version 2, schema 2.
    #[default]
    Docker,
    /// The OCI's image manifest.
    Oci,
}

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Whether a layer of this type is kept as a tar.
pub(super) fn is_plain(media_type: &str) -> bool {
    media_type.is_empty() || media_type.ends_with(".tar")
}

/// The manifest an image came with, to be pushed as it is: so its digest stays
/// the same. `None` for an image that was made here or loaded as tars, unless
/// a registry has it just so.
pub(super) fn original(
    store: &Store,
    record: &ImageRecord,
) -> Result<Option<ResolvedManifest>, EngineError> {
    let image = &record.image;
    let known = |name: &bulkhead_model::Reference| name.digest.as_ref() == Some(&image.manifest);
    let plain = image.layers.iter().any(|layer| is_plain(&layer.media_type));
    if plain && !record.digests.iter().any(known) {
        return Ok(None);
    }
    let limit = manifest::MAX_DOCUMENT as u64;
    let bytes = store.blobs().read(&image.manifest, limit)?;
    Ok(Some(ResolvedManifest {
        digest: image.manifest.clone(),
        media_type: media_type_of(&bytes)?,
        reference_digest: image.manifest.clone(),
        bytes,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    media_type: Option<String>,
    config: TypedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypedConfig {
    #[serde(default)]
    media_type: String,
}

/// What it calls itself, else what its configuration's type says: the OCI
/// allows manifests without (image-spec `manifest.md`).
fn media_type_of(bytes: &[u8]) -> Result<String, EngineError> {
    let typed: Typed = serde_json::from_slice(bytes)
        .map_err(|error| EngineError::StoredManifest(error.to_string()))?;
    let by_config = match typed.config.media_type.as_str() {
        DOCKER_CONFIG => DOCKER_MANIFEST,
        _ => OCI_MANIFEST,
    };
    Ok(typed.media_type.unwrap_or_else(|| by_config.to_owned()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Part,
    layers: Vec<Part>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: String,
    size: u64,
    digest: String,
}

/// Writes a manifest. Docker has no name for zstd: with it, the OCI's is written.
pub(super) fn write(
    format: Format,
    config: &BlobDescriptor,
    layers: &[BlobDescriptor],
) -> ResolvedManifest {
    let zstd = layers.iter().any(|layer| compression(layer) == "zstd");
    let format = if zstd { Format::Oci } else { format };
    let (manifest, config_type) = match format {
        Format::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG),
        Format::Oci => (OCI_MANIFEST, OCI_CONFIG),
    };
    let part = |blob: &BlobDescriptor, media_type: String| Part {
        media_type,
        size: blob.size,
        digest: blob.digest.to_string(),
    };
    let layer = |blob: &BlobDescriptor| part(blob, layer_type(format, compression(blob)));
    let bytes = indented(&Written {
        schema_version: 2,
        media_type: manifest,
        config: part(config, config_type.to_owned()),
        layers: layers.iter().map(layer).collect(),
    });
    let digest = manifest::digest_of(&bytes);
    ResolvedManifest {
        reference_digest: digest.clone(),
        digest,
        media_type: manifest.to_owned(),
        bytes,
    }
}

/// Three spaces, as Docker writes its manifests.
fn indented(written: &Written<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut out = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    written
        .serialize(&mut out)
        .expect("strings and numbers always serialize");
    bytes
}

fn compression(blob: &BlobDescriptor) -> &'static str {
    match blob.media_type.rsplit(['.', '+']).next() {
        Some("gzip") => "gzip",
        Some("zstd") => "zstd",
        _ => "",
    }
}

fn layer_type(format: Format, compression: &str) -> String {
    match (format, compression) {
        (Format::Docker, "") => DOCKER_LAYER.to_owned(),
        (Format::Docker, how) => format!("{DOCKER_LAYER}.{how}"),
        (Format::Oci, "") => manifest::TAR_LAYER.to_owned(),
        (Format::Oci, how) => format!("{}+{how}", manifest::TAR_LAYER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(content: &[u8], media_type: &str) -> BlobDescriptor {
        BlobDescriptor {
            digest: manifest::digest_of(content),
            size: content.len() as u64,
            media_type: media_type.to_owned(),
        }
    }

    #[test]
    fn a_manifest_is_written_byte_for_byte_as_docker_would() {
        let config = blob(b"{}", "");
        let layer = blob(b"layer", "application/vnd.oci.image.layer.v1.tar+gzip");
        let written = write(Format::Docker, &config, std::slice::from_ref(&layer));
        let expected = format!(
            r#"{{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
   "config": {{
      "mediaType": "application/vnd.docker.container.image.v1+json",
      "size": 2,
      "digest": "{}"
   }},
   "layers": [
      {{
         "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
         "size": 5,
         "digest": "{}"
      }}
   ]
}}"#,
            config.digest, layer.digest
        );
        assert_eq!(String::from_utf8(written.bytes).unwrap(), expected);
    }

    #[test]
    fn zstd_needs_the_ocis_manifest() {
        let layers = [
            blob(b"a", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
            blob(b"b", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ];
        let written = write(Format::Docker, &blob(b"{}", ""), &layers);
        assert_eq!(written.media_type, OCI_MANIFEST);
        let text = String::from_utf8(written.bytes).unwrap();
        assert!(
            text.contains("v1.tar+gzip\"") && text.contains("v1.tar+zstd\""),
            "{text}"
        );
    }

    #[test]
    fn a_manifest_without_a_type_is_known_by_its_configuration() {
        let typed = |config: &str| {
            let text = format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}"}}}}"#);
            media_type_of(text.as_bytes()).unwrap()
        };
        assert_eq!(typed(DOCKER_CONFIG), DOCKER_MANIFEST);
        assert_eq!(typed(OCI_CONFIG), OCI_MANIFEST);
    }
}
