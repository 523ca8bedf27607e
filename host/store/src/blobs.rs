//! Content by digest: verified on the way in, published by rename.
//!
//! ```text
//! writer ──write──▶ staging/<hex>.partial ──commit: size and digest agree──▶ blobs/sha256/<hex>
//!                        │                                                        │
//!            kept for the next attempt                              trusted in this process; after
//!            when the transfer breaks off                           Store::put_image for good
//! ```
//!
//! Publishing does not fsync: one syncfs(2) before the image's record covers
//! all its blobs. A file that a power cut left short has no row in the
//! database and is hashed again before it is believed.

mod retention;
mod spool;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::Digest;
use bulkhead_model::registry::BlobDescriptor;
use rusqlite::{Connection, OptionalExtension};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::data_root::{DataRoot, unlink};
use crate::database::Database;
use crate::error::StoreError;

pub use retention::{Collected, Held};
pub use spool::{Ingest, SpoolWriter, Spooled};
pub use writer::BlobWriter;

/// The blobs of a store.
#[derive(Debug)]
pub struct Blobs {
    published: OwnedFd,
    published_path: PathBuf,
    staging: Arc<OwnedFd>,
    staging_path: PathBuf,
    database: Arc<Database>,
    /// Published or verified by this process, and not yet recorded.
    fresh: Mutex<HashSet<Digest>>,
    /// What operations under way need, and how many of them.
    held: Mutex<HashMap<Digest, usize>>,
}

/// Whether a blob is what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// It is.
    Sound {
        /// Bytes.
        size: u64,
    },
    /// It is something else.
    Corrupt {
        /// Bytes.
        size: u64,
    },
    /// It is not there.
    Missing,
}

impl Blobs {
    pub(crate) fn open(root: &DataRoot, database: Arc<Database>) -> Result<Self, StoreError> {
        Ok(Self {
            published: root.subdirectory("blobs/sha256")?,
            published_path: root.path().join("blobs/sha256"),
            staging: Arc::new(root.subdirectory("staging")?),
            staging_path: root.path().join("staging"),
            database,
            fresh: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// Starts, or takes up again, the writing of a blob. Bytes of an earlier
    /// attempt are hashed and given to `replay` first;
    /// [`BlobWriter::offset`] says how many there were.
    pub fn writer(
        &self,
        descriptor: &BlobDescriptor,
        replay: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<BlobWriter<'_>, StoreError> {
        BlobWriter::open(self, descriptor, replay)
    }

    /// Stores bytes that are at hand (a manifest, a configuration).
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let descriptor = BlobDescriptor {
            digest: digest.clone(),
            size: bytes.len() as u64,
            media_type: String::new(),
        };
        let mut writer = self.writer(&descriptor, &mut |_| Ok(()))?;
        let held = usize::try_from(writer.offset()).unwrap_or(bytes.len());
        writer.write(&bytes[held..])?;
        writer.commit()
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        if !self.has(digest)? {
            return Err(StoreError::NoSuchBlob(digest.clone()));
        }
        self.open_file(digest)?
            .ok_or_else(|| StoreError::NoSuchBlob(digest.clone()))
    }

    /// A small blob's bytes; at most `limit`.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let file = self.open_blob(digest)?;
        let io = |e| StoreError::io("read", self.published_path.join(digest.hex()), e);
        file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::TooLong {
                digest: digest.clone(),
                expected: limit,
            });
        }
        Ok(bytes)
    }

    /// Where a blob's file is, for tools that need a path. It may be missing.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.published_path.join(digest.hex())
    }

    /// Whether the blob is here, whole. A file that has no record yet is
    /// hashed once; one that is not what its name says is removed.
    pub fn has(&self, digest: &Digest) -> Result<bool, StoreError> {
        let Some(file) = self.open_file(digest)? else {
            return Ok(false);
        };
        if self.fresh().contains(digest) {
            return Ok(true);
        }
        let path = self.path(digest);
        let size = file
            .metadata()
            .map_err(|e| StoreError::io("stat", &path, e))?
            .len();
        if self.recorded_size(digest)? == Some(size) {
            return Ok(true);
        }
        let sound = hash_file(file).map_err(|e| StoreError::io("read", &path, e))? == *digest;
        if sound {
            self.fresh().insert(digest.clone());
        } else {
            unlink(
                rustix::fd::AsFd::as_fd(&self.published),
                digest.hex(),
                &self.published_path,
            )?;
        }
        Ok(sound)
    }

    /// Reads a whole blob and compares it with its name.
    pub fn verify(&self, digest: &Digest) -> Result<Soundness, StoreError> {
        let Some(file) = self.open_file(digest)? else {
            return Ok(Soundness::Missing);
        };
        let io = |e| StoreError::io("read", self.path(digest), e);
        let size = file.metadata().map_err(io)?.len();
        Ok(match hash_file(file).map_err(io)? == *digest {
            true => Soundness::Sound { size },
            false => Soundness::Corrupt { size },
        })
    }

    /// Removes a blob; a missing one is fine.
    pub fn delete(&self, digest: &Digest) -> Result<(), StoreError> {
        let step = "forget a blob";
        // The row goes first: a row without a file would be believed.
        self.database.write(step, crate::Durability::Crash, |db| {
            db.execute("DELETE FROM blobs WHERE digest = ?1", [digest.as_str()])
                .map_err(self.database.explain(step))
        })?;
        self.fresh().remove(digest);
        unlink(
            rustix::fd::AsFd::as_fd(&self.published),
            digest.hex(),
            &self.published_path,
        )
    }

    /// Records blobs that are on the disk for good; part of the transaction
    /// that records their image.
    pub(crate) fn record(&self, db: &Connection, digests: &[&Digest]) -> Result<(), StoreError> {
        let explain = self.database.explain("record blobs");
        for digest in digests {
            let Some(file) = self.open_file(digest)? else {
                continue;
            };
            let size = file
                .metadata()
                .map_err(|e| StoreError::io("stat", self.path(digest), e))?;
            db.prepare_cached("INSERT OR REPLACE INTO blobs (digest, size) VALUES (?1, ?2)")
                .and_then(|mut s| s.execute((digest.as_str(), size.len() as i64)))
                .map_err(&explain)?;
        }
        Ok(())
    }

    /// After the transaction of [`Blobs::record`].
    pub(crate) fn recorded(&self, digests: &[&Digest]) {
        let mut fresh = self.fresh();
        for digest in digests {
            fresh.remove(*digest);
        }
    }

    /// The size that the record says; of a blob that is being removed none
    /// that a file can have.
    fn recorded_size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.database.read("look up a blob", |db| {
            db.prepare_cached("SELECT size FROM blobs WHERE digest = ?1")?
                .query_row([digest.as_str()], |row| row.get::<_, i64>(0))
                .optional()
                .map(|size| size.map(i64::cast_unsigned))
        })
    }

    fn open_file(&self, digest: &Digest) -> Result<Option<File>, StoreError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.published, digest.hex(), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(StoreError::io("open", self.path(digest), e)),
        }
    }

    fn fresh(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes a file from its current position.
fn hash_file(mut file: File) -> std::io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_sha256(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// How long what a broken-off pull has brought waits for the next attempt.
const KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// Empties the staging directory of what no later attempt can use: everything
/// but partial downloads of the last week.
pub(crate) fn sweep_staging(staging: &Path) -> Result<(), StoreError> {
    let list = |e| StoreError::io("list", staging, e);
    for entry in std::fs::read_dir(staging).map_err(list)? {
        let entry = entry.map_err(list)?;
        if !is_resumable(&entry) {
            let path = entry.path();
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                crate::data_root::remove_tree(&path)?;
            } else {
                std::fs::remove_file(&path).map_err(|e| StoreError::io("remove", &path, e))?;
            }
        }
    }
    Ok(())
}

fn is_resumable(entry: &std::fs::DirEntry) -> bool {
    let name = entry.file_name();
    let of_digest = name
        .to_str()
        .and_then(|n| n.strip_suffix(writer::SUFFIX))
        .is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok());
    of_digest && entry.metadata().is_ok_and(|metadata| is_recent(&metadata))
}

fn is_recent(metadata: &std::fs::Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|t| t.elapsed().ok());
    age.is_none_or(|age| age < KEPT)
}

#[cfg(test)]
mod tests;
