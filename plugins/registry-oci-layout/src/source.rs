//! What is where in a layout.

use bulkhead_plugin_api::oci::{Descriptor, Document, Fetched, best_match, media_type, resolve};
use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Platform, Reference, RegistrySource, Session,
};
use bulkhead_plugin_api::{Digest, Error, Result};
use serde::Deserialize;

/// The source.
pub(crate) struct Layout;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl RegistrySource for Layout {
    const FEATURES: &'static [&'static str] = &["directory"];

    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Manifest> {
        check_version(&session.read_file("oci-layout")?)?;
        let index = session.read_file("index.json")?;
        let Document::Index(entries) = Document::parse(&index, media_type::OCI_INDEX)? else {
            return Err(Error::invalid("index.json is not an index"));
        };
        let named = choose(&entries, reference, platform)?;
        let read = |entry: &Descriptor| {
            let bytes = session.read_file(&blob_path(&entry.digest))?;
            verify(&entry.digest, &bytes)?;
            Ok(Fetched {
                bytes,
                media_type: entry.media_type.clone(),
            })
        };
        resolve(read(named)?, platform, read)
    }

    fn locate<S: Session>(_session: &S, _reference: &Reference, blob: &Blob) -> Result<Location> {
        Ok(Location::File(blob_path(&blob.digest)))
    }
}

fn check_version(marker: &[u8]) -> Result<()> {
    let marker: Marker = serde_json::from_slice(marker)
        .map_err(|error| Error::invalid(format!("malformed oci-layout: {error}")))?;
    if marker.image_layout_version.starts_with("1.") {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "image layouts of version {} are not supported",
        marker.image_layout_version
    )))
}

/// The entry that `reference` names, by digest or by name; the only image of
/// a layout needs no name.
fn choose<'a>(
    entries: &'a [Descriptor],
    reference: &Reference,
    platform: &Platform,
) -> Result<&'a Descriptor> {
    let missing = || {
        Error::not_found(format!(
            "manifest for {} not found in the image layout",
            reference.familiar()
        ))
    };
    if let Some(digest) = &reference.digest {
        return entries
            .iter()
            .find(|entry| entry.digest == *digest)
            .ok_or_else(missing);
    }
    let named: Vec<Descriptor> = entries
        .iter()
        .filter(|entry| {
            entry
                .ref_name
                .as_deref()
                .is_some_and(|name| names(reference, name))
        })
        .cloned()
        .collect();
    let candidates = match (named.as_slice(), entries) {
        ([], [only]) if only.ref_name.is_none() => return Ok(only),
        ([], _) => return Err(missing()),
        (named, _) => named,
    };
    // Some writers name one manifest per platform instead of an index.
    let best = best_match(candidates, platform).unwrap_or(&candidates[0]);
    entries
        .iter()
        .find(|entry| entry.digest == best.digest)
        .ok_or_else(missing)
}

/// Writers put the tag alone, the short or the full reference there.
fn names(reference: &Reference, ref_name: &str) -> bool {
    let tag = reference.tag.as_deref().unwrap_or("latest");
    ref_name == tag || ref_name == reference.familiar() || ref_name == reference.to_string()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn verify(expected: &Digest, bytes: &[u8]) -> Result<()> {
    if Digest::of(bytes) == *expected {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "manifest verification failed for digest {expected}"
    )))
}

#[cfg(test)]
mod tests;
