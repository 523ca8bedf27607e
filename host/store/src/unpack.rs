//! Applying a layer (OCI image-spec `layer.md`) to a directory.
//!
//! ```text
//! reader ─▶ [thread: inflate] ─▶ [thread: sha256 = diff_id] ─▶ [caller: headers ─▶ files below dest]
//!                          4 × 256 KiB              4 × 256 KiB
//! ```
//!
//! Why a hostile archive cannot reach beyond `dest`:
//!
//! - every name is cleaned lexically and refused when `..` leads above the root;
//! - a parent directory is resolved by openat2(2) with `RESOLVE_IN_ROOT`, so
//!   absolute and climbing symlinks of this layer, or of a lower one where it
//!   is visible, stay inside, and never through magic links or other mounts;
//! - the last component is only ever created (`O_EXCL`, mkdirat, symlinkat,
//!   mknodat, linkat without `AT_SYMLINK_FOLLOW`); what is in its place is
//!   removed first, so nothing is written through an existing link;
//! - what was made is changed by its descriptor, never by its name.
//!
//! A layer's directory is the caller's alone; into a container's directory
//! ([`extract`]) the container writes at the same time.
//!
//! Memory is bounded: a few MiB of buffers, at most 64 MiB of zstd window,
//! 1 MiB per extended header, and times of directories that go to an unnamed
//! file when there are many. [`WhiteoutStyle::Delete`] also remembers the
//! inode numbers of the layer, some 18 bytes per entry.
//!
//! Differences from Docker, chosen: attributes under `trusted.` and
//! `security.` other than `security.capability` are dropped, as is
//! `user.overlay.*` (they would steer overlayfs or the host's policies), and a
//! character device 0:0 means a whiteout in both styles. Device nodes are
//! made, as Docker does: the data root is 0700 to everyone else and inside a
//! container the device cgroup decides.

pub(crate) mod archive;
pub(crate) mod compression;
mod dir_times;
pub(crate) mod entry;
mod error;
mod extended;
mod extraction;
mod number;
mod parents;
mod path;
mod pipeline;
mod place;
mod removal;
mod sparse;

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;

use bulkhead_model::Digest;

use place::Way;

use compression::Formats;
pub use error::UnpackError;
pub use extraction::{Extraction, Owner, extract};

/// How a layer's whiteouts (`.wh.name`, `.wh..wh..opq`) are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhiteoutStyle {
    /// `dest` is a layer of its own: character devices 0:0 and
    /// `trusted.overlay.opaque=y` (kernel `Documentation/filesystems/overlayfs.rst`).
    Overlay,
    /// `dest` holds a copy of the layers below: what is whited out is removed.
    Delete,
}

/// What a layer may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive, extended headers included.
    pub entries: u64,
    /// Bytes of the uncompressed archive; also the largest size of one
    /// (sparse) file.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4_000_000,
            bytes: 128 << 30,
        }
    }
}

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the uncompressed archive. The caller compares it with
    /// the configuration's and throws the directory away when it differs.
    pub diff_id: Digest,
    /// Bytes of regular files, by their sizes.
    pub bytes: u64,
    /// Entries made.
    pub inodes: u64,
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
}

/// Applies a layer, compressed with gzip or zstd or not at all (seen from its
/// first bytes), to the directory `dest`. Reads `reader` to its end. Does not
/// sync: the caller does, once for all layers. On an error `dest` holds part
/// of the layer and is the caller's to remove.
pub fn apply<R: Read + Send>(
    reader: R,
    dest: BorrowedFd<'_>,
    style: WhiteoutStyle,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let keep = &mut std::io::sink();
    carry_out(
        reader,
        Formats::Layer,
        dest,
        Way::Layer(style),
        limits,
        keep,
    )
}

/// [`apply`] for an archive that a client brings, so also with bzip2 and xz.
/// The uncompressed archive, which [`Unpacked::diff_id`] is the digest of, is
/// written to `keep` as it passes by.
pub fn apply_keeping<R: Read + Send>(
    reader: R,
    dest: BorrowedFd<'_>,
    style: WhiteoutStyle,
    limits: &Limits,
    keep: &mut (dyn Write + Send),
) -> Result<Unpacked, UnpackError> {
    carry_out(
        reader,
        Formats::Client,
        dest,
        Way::Layer(style),
        limits,
        keep,
    )
}

/// Walks the entries of an archive that is not unpacked, compressed as a
/// client may. Nothing is hashed.
pub(crate) fn walk<R, T, E>(
    reader: R,
    limits: &Limits,
    visit: impl FnOnce(&mut archive::Archive) -> Result<T, E>,
) -> Result<T, E>
where
    R: Read + Send,
    E: From<UnpackError>,
{
    std::thread::scope(|scope| {
        let (chunks, decoding) =
            pipeline::start_unhashed(scope, reader, Formats::Client, limits.bytes)?;
        let mut archive = archive::Archive::new(chunks, limits.entries);
        let visited = visit(&mut archive).inspect(|_| archive.drain());
        drop(archive);
        // A stream that breaks off ends the archive early: the decoder knows why.
        match (visited, decoding.join()) {
            (Err(error), Ok(_) | Err(UnpackError::GivenUp)) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Ok(visited), Ok(_)) => Ok(visited),
        }
    })
}

fn carry_out<R: Read + Send>(
    reader: R,
    formats: Formats,
    dest: BorrowedFd<'_>,
    way: Way<'_>,
    limits: &Limits,
    keep: &mut (dyn Write + Send),
) -> Result<Unpacked, UnpackError> {
    std::thread::scope(|scope| {
        let (chunks, decoding) = pipeline::start(scope, reader, formats, limits.bytes, keep)?;
        let placed = place::layer(chunks, dest, way, limits);
        let decoded = decoding.join();
        // A stream that breaks off ends the archive early: the decoder knows why.
        let (placed, decoded) = match (placed, decoded) {
            (Err(error), Ok(_) | Err(UnpackError::GivenUp)) | (_, Err(error)) => return Err(error),
            (Ok(placed), Ok(decoded)) => (placed, decoded),
        };
        Ok(Unpacked {
            diff_id: decoded.diff_id,
            bytes: placed.bytes,
            inodes: placed.inodes,
            archive_bytes: decoded.bytes,
        })
    })
}

#[cfg(test)]
mod tests;
