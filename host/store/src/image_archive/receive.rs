//! An archive on its way in: its members are kept in the staging directory,
//! each hashed as it passes.

use std::fs::File;
use std::io::{self, Read, Write};

use bulkhead_model::Digest;

use super::error::ArchiveError;
use super::legacy;
use super::members::{MAX_MEMBERS, Members, shown};
use crate::error::StoreError;
use crate::manifest::{MAX_DOCUMENT, ManifestError};
use crate::unpack::archive::Archive;
use crate::unpack::compression::{Compression, Formats, decoder};
use crate::unpack::entry::{Entry, EntryKind};
use crate::unpack::{Limits, walk};
use crate::{Blobs, Spooled};

/// Where blobs are in both formats.
const BLOBS: &str = "blobs/sha256/";

/// Documents with names of their own.
const DOCUMENTS: [&str; 4] = ["manifest.json", "index.json", "oci-layout", "repositories"];

/// What an archive of images may cost before it is refused. A header more or
/// two for each member is what a writer needs for long names.
pub(super) const LIMITS: Limits = Limits {
    entries: 3 * MAX_MEMBERS as u64,
    bytes: 128 << 30,
};

/// Reads an archive to its end, compressed with gzip, zstd, bzip2, xz or not
/// at all. Dropping the result removes what was kept.
pub fn receive<'a>(
    blobs: &'a Blobs,
    reader: impl Read + Send,
) -> Result<Members<Spooled<'a>>, ArchiveError> {
    let mut members = walk(reader, &LIMITS, |archive| {
        let mut members = Members::default();
        while let Some(entry) = archive.next_entry()? {
            member(blobs, archive, &entry, &mut members)?;
        }
        Ok::<_, ArchiveError>(members)
    })?;
    legacy::complete(blobs, &mut members)?;
    Ok(members)
}

fn member<'a>(
    blobs: &'a Blobs,
    archive: &mut Archive,
    entry: &Entry,
    members: &mut Members<Spooled<'a>>,
) -> Result<(), ArchiveError> {
    // No document can name what is not UTF-8.
    let Ok(name) = str::from_utf8(&entry.raw_path) else {
        return Ok(());
    };
    let link = || String::from_utf8_lossy(&entry.link).into_owned();
    match entry.kind {
        EntryKind::File if entry.sparse.is_some() => Err(ArchiveError::Member {
            name: shown(name),
            reason: "is a sparse file",
        }),
        EntryKind::File => {
            let content = keep(blobs, archive, entry, name)?;
            members.file(name, content)
        }
        EntryKind::Symlink => members.symbolic_link(name, &link()),
        EntryKind::HardLink => members.hard_link(name, &link()),
        // Nothing an image consists of.
        EntryKind::Directory
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. }
        | EntryKind::Fifo => Ok(()),
    }
}

fn keep<'a>(
    blobs: &'a Blobs,
    archive: &mut Archive,
    entry: &Entry,
    name: &str,
) -> Result<Spooled<'a>, ArchiveError> {
    refuse_long_document(name, entry.size)?;
    let named = name_of_blob(name);
    let mut writer = match &named {
        Some(digest) => blobs.spool_named(digest)?,
        None => blobs.spool()?,
    };
    let mut left = entry.size;
    while left > 0 {
        let bytes = archive.data(left)?;
        let n = bytes.len();
        writer.write_all(bytes).map_err(|e| blobs.not_spooled(e))?;
        archive.consume(n);
        left -= n as u64;
    }
    let kept = writer.finish();
    match named {
        Some(expected) if *kept.digest() != expected => Err(ArchiveError::Digest {
            name: shown(name),
            expected,
            actual: kept.digest().clone(),
        }),
        _ => Ok(kept),
    }
}

/// What is read whole is not kept first when it is too long for that.
fn refuse_long_document(name: &str, size: u64) -> Result<(), ArchiveError> {
    let name = name.trim_start_matches("./");
    match DOCUMENTS.iter().find(|document| **document == name) {
        Some(document) if size > MAX_DOCUMENT as u64 => Err(ManifestError::TooLarge {
            document,
            size: usize::try_from(size).unwrap_or(usize::MAX),
        }
        .into()),
        _ => Ok(()),
    }
}

fn name_of_blob(name: &str) -> Option<Digest> {
    let hex = name.trim_start_matches("./").strip_prefix(BLOBS)?;
    format!("sha256:{hex}").parse().ok()
}

/// The media type's end that says how a layer is compressed, of those that
/// registries know: nothing, `+gzip` or `+zstd`. A layer compressed otherwise,
/// which Docker takes in archives, is kept once more without compression.
pub fn uncompressed<'a>(
    blobs: &'a Blobs,
    layer: &Spooled<'_>,
) -> Result<(&'static str, Option<Spooled<'a>>), ArchiveError> {
    let mut file = layer.open()?;
    let failed = |e| StoreError::io("read", "layer", e);
    match compression(&mut file).map_err(failed)? {
        Compression::None => Ok(("", None)),
        Compression::Gzip => Ok(("+gzip", None)),
        Compression::Zstd => Ok(("+zstd", None)),
        Compression::Bzip2 | Compression::Xz => {
            let file = layer.open()?;
            let (_, plain) = decoder(file, Formats::Client)?;
            let mut writer = blobs.spool()?;
            let mut bounded = plain.take(Limits::default().bytes);
            io::copy(&mut bounded, &mut writer).map_err(failed)?;
            Ok(("", Some(writer.finish())))
        }
    }
}

fn compression(file: &mut File) -> io::Result<Compression> {
    let mut start = Vec::with_capacity(8);
    file.take(8).read_to_end(&mut start)?;
    Ok(Compression::of(&start))
}
