//! A client's archive into a directory of a container (`cp`).
//!
//! Unlike a layer, it has no whiteouts, may be compressed with bzip2 and xz,
//! and goes where the container's links and mounts lead. The container may
//! change everything meanwhile: it can spoil what is its own, no more.

use std::io::Read;

use bulkhead_model::process::IdMap;

use super::compression::Formats;
use super::entry::Entry;
use super::error::UnpackError;
use super::place::Way;
use super::{Limits, Unpacked, carry_out};
use crate::root::Destination;

/// How an archive becomes files of a container.
#[derive(Clone, Debug)]
pub struct Extraction<'a> {
    /// Where.
    pub destination: Destination<'a>,
    /// Refuse to replace a directory by anything else, and the reverse.
    pub no_overwrite_dir_non_dir: bool,
    /// The archive's entry for the directory itself sets its mode and owner.
    pub with_top: bool,
    /// Whose the files are.
    pub owner: Owner<'a>,
}

/// Whose files are, in the container's ids.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Uid and gid of all of them; otherwise what the archive says.
    pub all: Option<(u32, u32)>,
    /// The container's user namespace; empty: the host's.
    pub ids: &'a [IdMap],
}

/// Unpacks an archive, compressed with gzip, zstd, bzip2, xz or not at all.
/// On an error what was made until then stays.
pub fn extract<R: Read + Send>(
    reader: R,
    how: &Extraction<'_>,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let root = how.destination.root;
    let keep = &mut std::io::sink();
    carry_out(reader, Formats::Client, root, Way::Files(how), limits, keep)
}

impl Owner<'_> {
    /// Gives an entry its owner's ids on the host.
    pub(super) fn give(&self, entry: &mut Entry) -> Result<(), UnpackError> {
        let (uid, gid) = self.all.unwrap_or((entry.uid, entry.gid));
        let on_host = |id| {
            host_id(self.ids, id).ok_or_else(|| {
                let reason = "its owner is not in the container's user namespace";
                UnpackError::entry(&entry.raw_path, reason)
            })
        };
        (entry.uid, entry.gid) = (on_host(uid)?, on_host(gid)?);
        Ok(())
    }
}

fn host_id(maps: &[IdMap], inside: u32) -> Option<u32> {
    if maps.is_empty() {
        return Some(inside);
    }
    let map = maps
        .iter()
        .find(|m| inside >= m.inside && inside - m.inside < m.count)?;
    map.host.checked_add(inside - map.inside)
}
