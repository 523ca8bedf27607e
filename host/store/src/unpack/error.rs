//! Why a layer was refused.

use std::io;

use bulkhead_model::error::{ErrorKind, Kind};

/// An error of unpacking. Paths are those of the archive.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The reader failed, or what it gave does not decompress.
    #[error("read the {format} layer")]
    Stream {
        /// `gzip`, `zstd` or `uncompressed`.
        format: &'static str,
        /// The reader's or the decompressor's error.
        source: io::Error,
    },
    /// A compression that is not supported.
    #[error("layer compression {0} is not supported: use gzip or zstd")]
    Compression(&'static str),
    /// No thread could be started.
    #[error("start the decompressing thread")]
    Thread(#[source] io::Error),
    /// The archive ends within an entry.
    #[error("unexpected end of the archive at byte {0}")]
    UnexpectedEnd(u64),
    /// A header makes no sense.
    #[error("invalid tar header before byte {offset}: {reason}")]
    Header {
        /// Bytes of the uncompressed archive read so far.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry asks for something that is refused.
    #[error("archive entry {path:?}: {reason}")]
    Entry {
        /// The entry's name as the archive has it.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// Directories and other files were not to replace each other.
    #[error("cannot overwrite {found} {path:?} with {wanted} {destination:?}")]
    OtherKind {
        /// What is there: `directory` or `non-directory`.
        found: &'static str,
        /// Where, inside.
        path: String,
        /// What the archive has.
        wanted: &'static str,
        /// Where the archive is unpacked.
        destination: String,
    },
    /// The layer costs more than it may.
    #[error("layer exceeds the limit of {limit} {what}")]
    Limit {
        /// `entries`, `bytes`, …
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A system call failed.
    #[error("{operation} {path:?}")]
    Io {
        /// What was tried, such as `mkdir`.
        operation: &'static str,
        /// The entry's path.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The copy of the archive could not be written.
    #[error("keep the archive")]
    Keep(#[source] io::Error),
    /// The reading side was given up because placing files failed; its error
    /// is the one to show.
    #[error("unpacking was given up")]
    GivenUp,
}

impl UnpackError {
    pub(super) fn entry(path: &[u8], reason: &'static str) -> Self {
        Self::Entry {
            path: show(path),
            reason,
        }
    }

    pub(super) fn io(operation: &'static str, path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Io {
            operation,
            path: show(path),
            source: source.into(),
        }
    }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(&path[..path.len().min(300)]).into_owned()
}

impl Kind for UnpackError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream { source, .. } => match source.kind() {
                io::ErrorKind::TimedOut => ErrorKind::Timeout,
                _ => ErrorKind::Unavailable,
            },
            Self::Compression(_) => ErrorKind::Unsupported,
            Self::UnexpectedEnd(_)
            | Self::Header { .. }
            | Self::Entry { .. }
            | Self::OtherKind { .. } => ErrorKind::InvalidArgument,
            Self::Limit { .. } => ErrorKind::ResourceExhausted,
            Self::Io { source, .. } | Self::Keep(source) => crate::error::io_kind(source),
            Self::Thread(_) | Self::GivenUp => ErrorKind::Internal,
        }
    }
}
