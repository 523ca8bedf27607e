//! How the store fails.

use std::io;
use std::path::{Path, PathBuf};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::{ContainerId, Digest};

/// An error of the store. Where Docker has words for the case, they are used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call on a file of the data root failed.
    #[error("{operation} {}", .path.display())]
    Io {
        /// What was tried, such as `open`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another daemon owns the data root.
    #[error(
        "data root {} is in use by another bulkhead daemon (pid {pid}): stop it or choose another --data-root",
        .root.display()
    )]
    Locked {
        /// The data root.
        root: PathBuf,
        /// The owner's pid as its lock file has it.
        pid: String,
    },
    /// A directory of the data root belongs to someone else.
    #[error("{} is owned by uid {owner}, not by the daemon (uid {expected}): refusing to use it", .path.display())]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The daemon's uid.
        expected: u32,
    },
    /// The database cannot be read.
    #[error(
        "the state database {} is damaged ({detail}): restore it from a backup, or move it and the data root away to start anew",
        .path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The database is gone while what it describes is there.
    #[error(
        "the state database {} is missing or empty but {} is not: restore it from a backup, or move the data root away to start anew",
        .path.display(), .found.display()
    )]
    DatabaseMissing {
        /// The database file.
        path: PathBuf,
        /// What was found instead.
        found: PathBuf,
    },
    /// A newer bulkhead wrote the database.
    #[error(
        "the state database {} has schema {found}, this bulkhead knows up to {known}: use the newer version that wrote it",
        .path.display()
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// A statement failed.
    #[error("state database: {step}")]
    Database {
        /// What was being recorded or read.
        step: &'static str,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// A record's text does not parse: a bug or a damaged database.
    #[error("state database: the record of {what} {name} is malformed: {detail}")]
    Record {
        /// `image`, `container`, …
        what: &'static str,
        /// Which.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// The bytes are not what their descriptor says.
    #[error("digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// The descriptor's digest.
        expected: Digest,
        /// What the bytes hash to.
        actual: Digest,
    },
    /// More bytes than the descriptor says.
    #[error("blob {digest} is longer than its {expected} bytes")]
    TooLong {
        /// The descriptor's digest.
        digest: Digest,
        /// The descriptor's size.
        expected: u64,
    },
    /// Fewer bytes than the descriptor says.
    #[error("blob {digest} is truncated: expected {expected} bytes, got {actual}")]
    Truncated {
        /// The descriptor's digest.
        digest: Digest,
        /// The descriptor's size.
        expected: u64,
        /// The bytes there were.
        actual: u64,
    },
    /// No such blob.
    #[error("blob {0} not found")]
    NoSuchBlob(Digest),
    /// Nothing goes by that name.
    #[error("No such {what}: {name}")]
    NotFound {
        /// `image`, `container`, `volume`.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// An id prefix fits more than one.
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    /// A container's name is taken.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse {
        /// The name.
        name: String,
        /// Who has it.
        holder: ContainerId,
    },
    /// An address is leased already.
    #[error("address {address} of network {network} is already leased to {owner}")]
    AddressInUse {
        /// The network.
        network: String,
        /// The address.
        address: String,
        /// Who has it.
        owner: String,
    },
    /// A volume or driver name is not one safe path component.
    #[error(
        "{name:?} includes invalid characters for a {what} name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    InvalidName {
        /// `local volume`, `storage driver`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl StoreError {
    pub(crate) fn io(
        operation: &'static str,
        path: impl AsRef<Path>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Io {
            operation,
            path: path.as_ref().to_owned(),
            source: source.into(),
        }
    }
}

impl Kind for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => io_kind(source),
            Self::Locked { .. } | Self::NameInUse { .. } | Self::AddressInUse { .. } => {
                ErrorKind::Conflict
            }
            Self::NoSuchBlob(_) | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Ambiguous(_) | Self::InvalidName { .. } => ErrorKind::InvalidArgument,
            // A transfer that broke off; the other two will not get better.
            Self::Truncated { .. } => ErrorKind::Unavailable,
            Self::DigestMismatch { .. }
            | Self::TooLong { .. }
            | Self::ForeignOwner { .. }
            | Self::Damaged { .. }
            | Self::DatabaseMissing { .. }
            | Self::TooNew { .. }
            | Self::Database { .. }
            | Self::Record { .. } => ErrorKind::Internal,
        }
    }
}

/// A full disk is the user's to solve, everything else the host's.
pub(crate) fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::ResourceExhausted
        }
        _ => ErrorKind::Internal,
    }
}
