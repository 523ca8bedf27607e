//! Writing a tree as a tar archive: POSIX pax (POSIX.1-2017 `pax`), entries in
//! the order of their names, so that the same tree gives the same archive.
//!
//! The tree may be changing and hostile while it is read. Nothing is followed:
//! directories are opened one component at a time without links, files by the
//! descriptor they were looked at through, so that no device or fifo is ever
//! opened. What vanishes meanwhile is left out; a file that shrinks is filled
//! up with zeros, one that grows is cut off, as GNU tar does. Memory is bounded
//! by the largest directory and the number of files with several names.

mod attributes;
mod header;
mod layer;
mod tree;

use std::io::{self, Write};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::process::IdMap;

pub(crate) use attributes::{capability, inside};
pub use layer::{Mark, Piece, layer};

use crate::root::Found;

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Whoever wanted the archive went away.
    #[error("write the archive")]
    Write(#[source] io::Error),
    /// A system call failed.
    #[error("{operation} {path:?}")]
    Io {
        /// What was tried, such as `read`.
        operation: &'static str,
        /// The entry's name in the archive.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No archive holds such a name.
    #[error("the path {0:?}… is too long for an archive")]
    NameTooLong(String),
}

impl Kind for PackError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Write(_) => ErrorKind::Unavailable,
            Self::Io { source, .. } => crate::error::io_kind(source),
            Self::NameTooLong(_) => ErrorKind::InvalidArgument,
        }
    }
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To the nanosecond, which costs a kilobyte for each entry.
    Nanoseconds,
    /// To the second, as Docker writes layers.
    Seconds,
}

/// How a tree becomes an archive.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// The user namespace whose ids the archive has; empty: the host's.
    pub ids: &'a [IdMap],
    /// How times are written.
    pub times: Times,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Entries.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// Names in the archive.
#[derive(Clone, Debug)]
struct Names {
    /// The top's own, without the slash of a directory; absent: it has no entry.
    top: Option<Vec<u8>>,
    /// What precedes the names below.
    prefix: Vec<u8>,
}

/// Writes what was found, a directory with everything below it, under the
/// last component of the path that was asked for: `x/…`, `./…` for a
/// directory's content, `/…` for the root.
pub fn resource(found: &Found, style: Style<'_>, out: impl Write) -> Result<Packed, PackError> {
    let base = bulkhead_model::archive_path::base(&found.path);
    let top = if base == "/" { "" } else { base };
    let names = Names {
        top: Some(top.as_bytes().to_vec()),
        prefix: format!("{top}/").into_bytes(),
    };
    tree::write(found, names, style, out)
}

/// Writes everything below a directory, without an entry for itself.
pub fn content(found: &Found, style: Style<'_>, out: impl Write) -> Result<Packed, PackError> {
    let names = Names {
        top: None,
        prefix: Vec::new(),
    };
    tree::write(found, names, style, out)
}

#[cfg(test)]
mod tests;
