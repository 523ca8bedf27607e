//! Writing an archive that is both a docker-archive and an OCI layout, as
//! Docker does since 25: the blobs of the layout are the members that
//! `manifest.json` names.
//!
//! Layers are written as they are kept, so that a manifest keeps its digest on
//! the way; only zstd, which Docker before 23 does not read, is decompressed,
//! in two passes because a header comes before its data. The documents come
//! first: who reads the archive knows what is in it before the layers. All
//! times are 0: the same images give the same archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bulkhead_model::image::{Image, Layer};
use bulkhead_model::{Digest, Reference};
use serde::Serialize;
use tar::{EntryType, Header};

use super::error::ArchiveError;
use super::layout::{FULL_NAME, REF_NAME};
use crate::error::StoreError;
use crate::manifest::{MAX_DOCUMENT, digest_of, parse_manifest, to_manifest};
use crate::unpack::compression::{Compression, Formats, decoder};
use crate::{Blobs, Held};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A layer without compression.
const TAR_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes copied at a time.
const PIECE: usize = 256 * 1024;

/// An image to write.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The image.
    pub image: Image,
    /// What it shall be called: tags, maybe none.
    pub names: Vec<Reference>,
}

/// What goes below `blobs/sha256`.
enum Blob {
    /// A manifest made for the archive.
    Made(Vec<u8>),
    /// A blob of the store, with its size.
    Kept(u64),
    /// What a blob of the store is when decompressed, with its size.
    Inflated(Digest, u64),
}

impl Blob {
    fn size(&self) -> u64 {
        match self {
            Self::Made(bytes) => bytes.len() as u64,
            Self::Kept(size) | Self::Inflated(_, size) => *size,
        }
    }
}

/// An image as it will be written.
struct Planned<'e> {
    exported: &'e Exported,
    /// The layers' blobs.
    layers: Vec<Layer>,
    manifest: Digest,
    manifest_size: usize,
}

/// Writes the archive. Memory is bounded by the images' documents.
pub fn write(blobs: &Blobs, images: &[Exported], out: impl Write) -> Result<(), ArchiveError> {
    let needed = images.iter().flat_map(|exported| {
        let image = &exported.image;
        let layers = image.layers.iter().map(|layer| &layer.digest);
        layers.chain([&image.id, &image.manifest])
    });
    let _held: Vec<Held<'_>> = needed.map(|digest| blobs.hold(digest)).collect();
    let mut contents = BTreeMap::new();
    let planned: Vec<_> = images
        .iter()
        .map(|exported| plan(blobs, exported, &mut contents))
        .collect::<Result<_, _>>()?;
    let mut out = Out(out);
    out.entry(EntryType::Directory, "blobs/", 0)?;
    out.entry(EntryType::Directory, "blobs/sha256/", 0)?;
    out.file("index.json", &index(&planned))?;
    out.file("manifest.json", &manifest_json(&planned))?;
    out.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    out.file("repositories", &repositories(&planned))?;
    let mut contents: Vec<_> = contents.iter().collect();
    contents.sort_by_key(|(_, blob)| blob.size());
    for (digest, blob) in contents {
        out.blob(blobs, digest, blob)?;
    }
    out.end()
}

fn plan<'e>(
    blobs: &Blobs,
    exported: &'e Exported,
    contents: &mut BTreeMap<Digest, Blob>,
) -> Result<Planned<'e>, ArchiveError> {
    let image = &exported.image;
    let mut layers = Vec::new();
    for layer in &image.layers {
        let (layer, blob) = saved(blobs, layer)?;
        contents.insert(layer.digest.clone(), blob);
        layers.push(layer);
    }
    let config = blobs.read(&image.id, MAX_DOCUMENT as u64)?.len();
    let stored = blobs.read(&image.manifest, MAX_DOCUMENT as u64)?;
    // Readers of layouts expect OCI's own media types.
    let is_kept = layers == image.layers && is_oci(&stored)?;
    let (manifest, blob) = match is_kept {
        true => (stored.len(), Blob::Kept(stored.len() as u64)),
        false => {
            let made = to_manifest(&image.id, config, &layers);
            (made.len(), Blob::Made(made))
        }
    };
    let digest = match &blob {
        Blob::Made(bytes) => digest_of(bytes),
        _ => image.manifest.clone(),
    };
    contents.insert(image.id.clone(), Blob::Kept(config as u64));
    contents.insert(digest.clone(), blob);
    Ok(Planned {
        exported,
        layers,
        manifest: digest,
        manifest_size: manifest,
    })
}

fn is_oci(manifest: &[u8]) -> Result<bool, ArchiveError> {
    let manifest = parse_manifest("", manifest)?;
    let mut types = manifest.layers.iter().chain([&manifest.config]);
    Ok(types.all(|d| d.media_type.starts_with("application/vnd.oci.")))
}

/// A layer as it is written, and where its bytes come from.
fn saved(blobs: &Blobs, layer: &Layer) -> Result<(Layer, Blob), ArchiveError> {
    let mut file = blobs.open_blob(&layer.digest)?;
    let failed = |e| StoreError::io("read", blobs.path(&layer.digest), e);
    let mut start = Vec::new();
    let read = (&mut file).take(8).read_to_end(&mut start);
    read.map_err(failed)?;
    if Compression::of(&start) != Compression::Zstd {
        return Ok((layer.clone(), Blob::Kept(layer.size)));
    }
    let mut plain = inflate(blobs, &layer.digest)?;
    let size = io::copy(&mut plain, &mut io::sink()).map_err(failed)?;
    let inflated = Layer {
        digest: layer.diff_id.clone(),
        size,
        media_type: TAR_LAYER.to_owned(),
        ..layer.clone()
    };
    Ok((inflated, Blob::Inflated(layer.digest.clone(), size)))
}

fn inflate(blobs: &Blobs, digest: &Digest) -> Result<impl Read, ArchiveError> {
    let (_, plain) = decoder(blobs.open_blob(digest)?, Formats::Layer)?;
    Ok(plain)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'static str,
    digest: &'a str,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
    platform: EntryPlatform<'a>,
}

#[derive(Serialize)]
struct EntryPlatform<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

/// An entry for each name, as Docker has it.
fn index(planned: &[Planned<'_>]) -> Vec<u8> {
    let annotations = |name: Option<&Reference>| {
        let mut annotations = BTreeMap::new();
        if let Some(name) = name {
            annotations.insert(FULL_NAME, name.to_string());
            annotations.insert(REF_NAME, name.tag_or_digest().to_owned());
        }
        annotations
    };
    let mut manifests = Vec::new();
    for image in planned {
        let platform = &image.exported.image.platform;
        let names = &image.exported.names;
        let each = names
            .iter()
            .map(Some)
            .chain(names.is_empty().then_some(None));
        manifests.extend(each.map(|name| Entry {
            media_type: OCI_MANIFEST,
            digest: image.manifest.as_str(),
            size: image.manifest_size,
            annotations: annotations(name),
            platform: EntryPlatform {
                architecture: &platform.architecture,
                os: &platform.os,
                variant: platform.variant.as_deref(),
            },
        }));
    }
    json(&Index {
        schema_version: 2,
        media_type: "application/vnd.oci.image.index.v1+json",
        manifests,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn manifest_json(planned: &[Planned<'_>]) -> Vec<u8> {
    let item = |image: &Planned<'_>| {
        let names = image.exported.names.iter().map(Reference::familiar);
        Item {
            config: path(&image.exported.image.id),
            // Go's nil.
            repo_tags: Some(names.collect()).filter(|tags: &Vec<_>| !tags.is_empty()),
            layers: image.layers.iter().map(|l| path(&l.digest)).collect(),
        }
    };
    json(&planned.iter().map(item).collect::<Vec<_>>())
}

/// For readers before Docker 1.10 it names the highest layer of each tag.
fn repositories(planned: &[Planned<'_>]) -> Vec<u8> {
    let mut repositories: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for image in planned {
        let highest = image.layers.last().map_or("", |layer| layer.digest.hex());
        for name in &image.exported.names {
            let tags = repositories.entry(name.familiar_name()).or_default();
            tags.insert(name.tag_or_digest(), highest);
        }
    }
    json(&repositories)
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers always serialize")
}

struct Out<W>(W);

impl<W: Write> Out<W> {
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.entry(EntryType::Regular, name, bytes.len() as u64)?;
        self.all(bytes)?;
        self.fill(bytes.len() as u64)
    }

    fn blob(&mut self, blobs: &Blobs, digest: &Digest, blob: &Blob) -> Result<(), ArchiveError> {
        match blob {
            Blob::Made(bytes) => self.file(&path(digest), bytes),
            Blob::Kept(size) => self.copy(digest, *size, blobs.open_blob(digest)?),
            Blob::Inflated(from, size) => self.copy(digest, *size, inflate(blobs, from)?),
        }
    }

    fn copy(
        &mut self,
        digest: &Digest,
        size: u64,
        mut from: impl Read,
    ) -> Result<(), ArchiveError> {
        let name = path(digest);
        self.entry(EntryType::Regular, &name, size)?;
        let mut buffer = vec![0; PIECE];
        let mut left = size;
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = from.read(&mut buffer[..most]);
            let n = n.map_err(|e| StoreError::io("read", &name, e))?;
            if n == 0 {
                let (digest, actual) = (digest.clone(), size - left);
                let expected = size;
                return Err(StoreError::Truncated {
                    digest,
                    expected,
                    actual,
                }
                .into());
            }
            self.all(&buffer[..n])?;
            left -= n as u64;
        }
        self.fill(size)
    }

    fn entry(&mut self, kind: EntryType, name: &str, size: u64) -> Result<(), ArchiveError> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(match kind {
            EntryType::Directory => 0o755,
            _ => 0o644,
        });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.all(header.as_bytes())
    }

    /// Up to the next block.
    fn fill(&mut self, size: u64) -> Result<(), ArchiveError> {
        let missing = size.next_multiple_of(512) - size;
        self.all(&[0; 512][..missing as usize])
    }

    /// Two blocks of zeros.
    fn end(mut self) -> Result<(), ArchiveError> {
        self.all(&[0; 1024])?;
        self.0.flush().map_err(ArchiveError::Write)
    }

    fn all(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.0.write_all(bytes).map_err(ArchiveError::Write)
    }
}
