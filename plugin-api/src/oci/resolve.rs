//! The way down from what a reference names to one image's manifest.

use super::{Descriptor, Document, best_match};
use crate::registry::{Manifest, Platform};
use crate::{Digest, Error, Result};

/// Bytes and the media type they were declared with.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The document, unchanged.
    pub bytes: Vec<u8>,
    /// The media type that the sender gave, or empty.
    pub media_type: String,
}

/// Indexes in indexes that are followed. Real ones nest once.
const MAX_DEPTH: usize = 4;

/// Follows `named`, which the user's reference names, through indexes to the
/// manifest for `platform`. `fetch` brings what an entry describes; size and
/// digest are checked here.
///
/// # Errors
/// `not-found` when no entry fits; `invalid` for malformed or mismatched
/// documents and for indexes nested more than four deep; whatever `fetch` returns.
pub fn resolve(
    named: Fetched,
    platform: &Platform,
    mut fetch: impl FnMut(&Descriptor) -> Result<Fetched>,
) -> Result<Manifest> {
    let reference_digest = Digest::of(&named.bytes);
    let mut digest = reference_digest.clone();
    let mut document = named;
    for _ in 0..=MAX_DEPTH {
        let entries = match Document::parse(&document.bytes, &document.media_type)? {
            Document::Manifest { media_type } => {
                return Ok(Manifest {
                    digest,
                    media_type,
                    bytes: document.bytes,
                    reference_digest,
                });
            }
            Document::Index(entries) => entries,
        };
        let entry = best_match(&entries, platform).ok_or_else(|| {
            Error::not_found(format!(
                "no matching manifest for {platform} in the manifest list entries"
            ))
        })?;
        document = fetch(entry)?;
        verify(entry, &document.bytes)?;
        digest = entry.digest.clone();
    }
    Err(Error::invalid(format!(
        "manifest lists are nested more than {MAX_DEPTH} deep"
    )))
}

fn verify(entry: &Descriptor, bytes: &[u8]) -> Result<()> {
    let actual = Digest::of(bytes);
    if actual == entry.digest && entry.size == bytes.len() as u64 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "manifest verification failed for digest {}: received {} bytes with digest {actual}, expected {} bytes",
        entry.digest,
        bytes.len(),
        entry.size
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use crate::oci::media_type::{OCI_INDEX, OCI_MANIFEST};

    const IMAGE: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

    fn index_of(inner: &str, platform: &str) -> String {
        let digest = Digest::of(inner.as_bytes());
        let size = inner.len();
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","size":{size},
                "platform":{{"os":"linux","architecture":"{platform}"}}}}]}}"#
        )
    }

    fn fetched(text: &str) -> Fetched {
        Fetched {
            bytes: text.into(),
            media_type: String::new(),
        }
    }

    fn platform() -> Platform {
        "linux/amd64".parse().unwrap()
    }

    #[test]
    fn a_manifest_is_taken_as_it_is() {
        let manifest =
            resolve(fetched(IMAGE), &platform(), |_| panic!("nothing to fetch")).unwrap();
        assert_eq!(manifest.digest, Digest::of(IMAGE.as_bytes()));
        assert_eq!(manifest.digest, manifest.reference_digest);
        assert_eq!(manifest.media_type, OCI_MANIFEST);
    }

    #[test]
    fn an_index_of_an_index_leads_to_the_manifest() {
        let inner = index_of(IMAGE, "amd64");
        let outer = index_of(&inner, "amd64");
        let mut queue = vec![
            fetched(IMAGE),
            Fetched {
                bytes: inner.clone().into(),
                media_type: OCI_INDEX.into(),
            },
        ];
        let manifest = resolve(fetched(&outer), &platform(), |_| Ok(queue.pop().unwrap())).unwrap();
        assert_eq!(manifest.bytes, IMAGE.as_bytes());
        assert_eq!(manifest.digest, Digest::of(IMAGE.as_bytes()));
        assert_eq!(manifest.reference_digest, Digest::of(outer.as_bytes()));
    }

    #[test]
    fn a_missing_platform_is_named() {
        let error = resolve(fetched(&index_of(IMAGE, "arm64")), &platform(), |_| {
            panic!("fetched")
        })
        .unwrap_err();
        assert_eq!(
            error,
            Error::not_found("no matching manifest for linux/amd64 in the manifest list entries")
        );
    }

    #[test]
    fn endless_nesting_ends() {
        let mut texts = vec![IMAGE.to_owned()];
        for _ in 0..8 {
            texts.push(index_of(texts.last().unwrap(), "amd64"));
        }
        let mut fetches = 0;
        let error = resolve(fetched(&texts.pop().unwrap()), &platform(), |_| {
            fetches += 1;
            Ok(fetched(&texts.pop().unwrap()))
        })
        .unwrap_err();
        assert_eq!((error.code, fetches), (Code::Invalid, MAX_DEPTH + 1));
    }

    #[test]
    fn bytes_other_than_those_described_are_refused() {
        let error = resolve(fetched(&index_of(IMAGE, "amd64")), &platform(), |_| {
            Ok(fetched("{}"))
        })
        .unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        assert!(
            error
                .message
                .starts_with("manifest verification failed for digest sha256:"),
            "{error}"
        );
    }
}
