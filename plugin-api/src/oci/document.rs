//! What a manifest-like JSON document is.

use serde::Deserialize;

use super::media_type::{
    DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST,
};
use crate::registry::Platform;
use crate::{Digest, Error, Result};

/// An entry of an index (OCI image-spec `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type; may be empty.
    pub media_type: String,
    /// What its bytes hash to.
    pub digest: Digest,
    /// What its bytes count.
    pub size: u64,
    /// For which machine, when the index says so.
    pub platform: Option<Platform>,
    /// `org.opencontainers.image.ref.name`: the tag, in an image layout.
    pub ref_name: Option<String>,
}

/// A document, as far as finding an image needs it read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image's manifest; the host reads the rest.
    Manifest {
        /// Its media type.
        media_type: String,
    },
    /// A choice of manifests or of further indexes.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<Vec<RawDescriptor>>,
    // Only whether they are there matters here.
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<RawPlatform>,
    annotations: Option<RawAnnotations>,
}

#[derive(Deserialize)]
struct RawAnnotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    ref_name: Option<String>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

const SCHEMA1: &str = "the image has a manifest of version 2, schema 1, which is no longer supported: \
    push it again with a client of 2016 or later";

impl Document {
    /// Reads `bytes`; `declared` is the media type that whoever sent them
    /// gave, empty when none.
    ///
    /// # Errors
    /// `invalid` for malformed JSON and for a document that is neither or
    /// both kinds, or not the kind it was declared as (the confusion of
    /// CVE-2021-41190); `unsupported` for schema 1.
    pub fn parse(bytes: &[u8], declared: &str) -> Result<Self> {
        let raw: RawDocument = serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid(format!("malformed manifest: {error}")))?;
        let declared = known(declared);
        let inner = raw.media_type.as_deref().and_then(known);
        if declared.is_some_and(is_schema1)
            || raw.schema_version == Some(1)
            || raw.fs_layers.is_some()
        {
            return Err(Error::unsupported(SCHEMA1));
        }
        if let (Some(outer), Some(inner)) = (declared, inner)
            && outer != inner
        {
            return Err(Error::invalid(format!(
                "a manifest declared as {outer} calls itself {inner}"
            )));
        }
        raw.classify(declared.or(inner))
    }
}

impl RawDocument {
    fn classify(self, media_type: Option<&'static str>) -> Result<Document> {
        let image = self.config.is_some() && self.layers.is_some();
        match (self.manifests, image) {
            (Some(_), true) => Err(Error::invalid(
                "a manifest is an index and an image at once",
            )),
            (Some(entries), false) if !media_type.is_some_and(is_manifest) => Ok(Document::Index(
                entries.into_iter().filter_map(descriptor).collect(),
            )),
            (None, true) if !media_type.is_some_and(is_index) => Ok(Document::Manifest {
                media_type: media_type.unwrap_or(OCI_MANIFEST).to_owned(),
            }),
            _ => Err(Error::invalid(
                "a manifest has neither manifests nor a config and layers, or is not what it is declared as",
            )),
        }
    }
}

/// Entries with digests other than sha256 are passed over as if they were not there.
fn descriptor(raw: RawDescriptor) -> Option<Descriptor> {
    let platform = raw.platform.map(|platform| Platform {
        os: platform.os,
        architecture: platform.architecture,
        variant: (!platform.variant.is_empty()).then_some(platform.variant),
    });
    Some(Descriptor {
        media_type: raw.media_type,
        digest: raw.digest.parse().ok()?,
        size: raw.size,
        platform,
        ref_name: raw.annotations.and_then(|annotations| annotations.ref_name),
    })
}

/// The media type without parameters, if it is one that says something.
fn known(text: &str) -> Option<&'static str> {
    let text = text.split(';').next().unwrap_or_default().trim();
    let all = [
        OCI_MANIFEST,
        OCI_INDEX,
        DOCKER_MANIFEST,
        DOCKER_LIST,
        DOCKER_SCHEMA1,
        DOCKER_SCHEMA1_SIGNED,
    ];
    all.into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

fn is_schema1(media_type: &str) -> bool {
    matches!(media_type, DOCKER_SCHEMA1 | DOCKER_SCHEMA1_SIGNED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    const IMAGE: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;

    fn code(bytes: &[u8], declared: &str) -> Code {
        Document::parse(bytes, declared).unwrap_err().code
    }

    #[test]
    fn the_declared_type_wins_and_the_body_decides_where_none_is_declared() {
        for (declared, expected) in [
            (DOCKER_MANIFEST, DOCKER_MANIFEST),
            (
                "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
                OCI_MANIFEST,
            ),
            ("application/octet-stream", OCI_MANIFEST),
            ("", OCI_MANIFEST),
        ] {
            assert_eq!(
                Document::parse(IMAGE, declared).unwrap(),
                Document::Manifest {
                    media_type: expected.into()
                }
            );
        }
    }

    #[test]
    fn an_index_lists_its_entries_and_passes_over_foreign_digests() {
        let digest = "0".repeat(64);
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[
                {{"mediaType":"{OCI_MANIFEST}","digest":"sha256:{digest}","size":7,
                  "platform":{{"os":"linux","architecture":"arm","variant":"v7"}},
                  "annotations":{{"org.opencontainers.image.ref.name":"1.0"}}}},
                {{"digest":"sha512:00","size":7}}]}}"#
        );
        let Document::Index(entries) = Document::parse(index.as_bytes(), OCI_INDEX).unwrap() else {
            panic!("no index")
        };
        assert_eq!(entries.len(), 1);
        assert_eq!(
            entries[0].platform.as_ref().unwrap().to_string(),
            "linux/arm/v7"
        );
        assert_eq!(entries[0].ref_name.as_deref(), Some("1.0"));
    }

    #[test]
    fn a_document_cannot_be_taken_for_another_kind() {
        let both = br#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#;
        let liar =
            format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{{}},"layers":[]}}"#);
        assert_eq!(code(both, ""), Code::Invalid);
        assert_eq!(code(IMAGE, OCI_INDEX), Code::Invalid);
        assert_eq!(code(br#"{"manifests":[]}"#, OCI_MANIFEST), Code::Invalid);
        assert_eq!(code(liar.as_bytes(), OCI_MANIFEST), Code::Invalid);
        assert_eq!(code(liar.as_bytes(), ""), Code::Invalid);
    }

    #[test]
    fn malformed_documents_are_refused_without_a_panic() {
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            "\"x\"",
            r#"{"manifests":[{"digest":1}]}"#,
            r#"{"manifests":[{"size":-1}]}"#,
            &deep,
        ] {
            assert_eq!(code(bad.as_bytes(), ""), Code::Invalid, "{:.40}", bad);
        }
    }

    #[test]
    fn schema_1_is_refused_with_advice() {
        assert_eq!(code(br#"{"schemaVersion":1}"#, ""), Code::Unsupported);
        let error = Document::parse(IMAGE, DOCKER_SCHEMA1_SIGNED).unwrap_err();
        assert!(error.message.contains("push it again"), "{error}");
    }
}
