//! An OCI layout in an archive (OCI image-spec `image-layout.md`).

use std::collections::BTreeMap;

use bulkhead_model::registry::BlobDescriptor;
use bulkhead_model::{Digest, Platform, Reference};
use serde::Deserialize;

use super::docker::MAX_IMAGES;
use super::error::ArchiveError;
use super::members::{Members, shown};
use super::{Found, document};
use crate::Spooled;
use crate::manifest::{Document, IndexEntry, ManifestError, from_json, parse};

/// The whole name, as containerd and Docker write it.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// A tag or a name (image-spec `annotations.md`).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// How Docker's BuildKit marks what describes another manifest.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// Indexes within indexes.
const MAX_DEPTH: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<EntryPlatform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// An entry as far as it is of interest.
struct Top {
    descriptor: BlobDescriptor,
    name: Option<Reference>,
    is_other_machines: bool,
}

pub(super) fn images<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
    platform: Option<&Platform>,
) -> Result<Vec<Found<'m, 'a>>, ArchiveError> {
    let name = "oci-layout";
    let marker: Marker = from_json(name, &document(name, members.find(name)?)?)?;
    if !marker.image_layout_version.starts_with("1.") {
        return Err(ArchiveError::NoImage);
    }
    let name = "index.json";
    let index: Index = from_json(name, &document(name, members.find(name)?)?)?;
    if index.manifests.len() > MAX_IMAGES {
        return Err(ArchiveError::Limit {
            what: "images",
            limit: MAX_IMAGES,
        });
    }
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let tops = tops(index, wanted)?;
    // The same name for several machines.
    let hidden = |top: &Top| {
        let same = |other: &&Top| !other.is_other_machines && other.name == top.name;
        top.is_other_machines && tops.iter().any(|other| same(&other))
    };
    let mut found: Vec<(Digest, Found<'m, 'a>)> = Vec::new();
    for top in tops.iter().filter(|top| !hidden(top)) {
        let digest = &top.descriptor.digest;
        let known = found.iter().position(|(known, _)| known == digest);
        let at = match known {
            Some(at) => at,
            None => {
                let image = image(members, &top.descriptor, wanted, MAX_DEPTH)?;
                found.push((digest.clone(), image));
                found.len() - 1
            }
        };
        found[at].1.names.extend(top.name.clone());
    }
    Ok(found.into_iter().map(|(_, image)| image).collect())
}

fn tops(index: Index, wanted: &Platform) -> Result<Vec<Top>, ArchiveError> {
    let mut tops = Vec::new();
    for (i, entry) in index.manifests.into_iter().enumerate() {
        let digest = entry.digest.parse::<Digest>();
        let digest = digest.map_err(|error| ManifestError::Field {
            document: "index.json",
            field: format!("manifests[{i}].digest"),
            detail: error.to_string(),
        })?;
        let annotations = entry.annotations.unwrap_or_default();
        let of_none = |p: &EntryPlatform| p.os == "unknown" && p.architecture == "unknown";
        if annotations.contains_key(REFERENCE_TYPE) || entry.platform.as_ref().is_some_and(of_none)
        {
            continue;
        }
        let other = |p: &EntryPlatform| {
            let known = !p.os.is_empty() && !p.architecture.is_empty();
            known && (&p.os, &p.architecture) != (&wanted.os, &wanted.architecture)
        };
        tops.push(Top {
            is_other_machines: entry.platform.as_ref().is_some_and(other),
            name: name(&annotations)?,
            descriptor: BlobDescriptor {
                digest,
                size: entry.size,
                media_type: entry.media_type,
            },
        });
    }
    Ok(tops)
}

/// A `ref.name` that is a tag alone says nothing about the repository.
fn name(annotations: &BTreeMap<String, String>) -> Result<Option<Reference>, ArchiveError> {
    let parse = |text: &String| {
        let name = text.parse::<Reference>();
        name.map_err(|_| ArchiveError::Tag(shown(text)))
    };
    if let Some(full) = annotations.get(FULL_NAME) {
        return parse(full).map(Some);
    }
    let named = |text: &&String| text.contains(['/', ':']) && !text.contains('@');
    annotations
        .get(REF_NAME)
        .filter(named)
        .map(parse)
        .transpose()
}

fn image<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
    descriptor: &BlobDescriptor,
    wanted: &Platform,
    depth: usize,
) -> Result<Found<'m, 'a>, ArchiveError> {
    let member = blob(members, descriptor)?;
    match parse(&descriptor.media_type, &document("manifest", member)?)? {
        Document::Manifest(manifest) => Ok(Found {
            config: blob(members, &manifest.config)?,
            layers: manifest
                .layers
                .iter()
                .map(|layer| blob(members, layer))
                .collect::<Result<_, _>>()?,
            manifest: Some((descriptor.media_type.clone(), member)),
            names: Vec::new(),
        }),
        Document::Index(entries) if depth > 0 => {
            let none = || ArchiveError::Platform(wanted.to_string());
            let entry = best(&entries, wanted).ok_or_else(none)?;
            image(members, &entry.descriptor, wanted, depth - 1)
        }
        Document::Index(_) => Err(ArchiveError::Limit {
            what: "nested indexes",
            limit: MAX_DEPTH,
        }),
    }
}

/// The entry for a machine, its variant first; the only one without a
/// platform, if there is just one.
fn best<'e>(entries: &'e [IndexEntry], wanted: &Platform) -> Option<&'e IndexEntry> {
    let fits = |entry: &&IndexEntry| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|p| (&p.os, &p.architecture) == (&wanted.os, &wanted.architecture))
    };
    let exact = |entry: &&IndexEntry| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|p| p.variant == wanted.variant)
    };
    match entries {
        [only] if only.platform.is_none() => Some(only),
        entries => entries
            .iter()
            .filter(fits)
            .find(exact)
            .or_else(|| entries.iter().find(fits)),
    }
}

fn blob<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
    descriptor: &BlobDescriptor,
) -> Result<&'m Spooled<'a>, ArchiveError> {
    let name = format!("blobs/sha256/{}", descriptor.digest.hex());
    let member = members.find(&name)?;
    // A link may lead to another blob.
    if *member.digest() != descriptor.digest {
        return Err(ArchiveError::Digest {
            name,
            expected: descriptor.digest.clone(),
            actual: member.digest().clone(),
        });
    }
    if member.size() != descriptor.size {
        return Err(ArchiveError::Size {
            name,
            expected: descriptor.size,
            actual: member.size(),
        });
    }
    Ok(member)
}
