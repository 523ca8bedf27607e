//! Bytes whose digest is not known before they are here.
//!
//! ```text
//! SpoolWriter ─┐
//!              ├─finish──▶ Spooled (staging/<n>.spool) ──publish──▶ blobs/sha256/<hex>
//! Ingest ──────┘              │ dropped: removed
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::Digest;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{Blobs, Held, unlink};
use crate::error::StoreError;

/// What no later attempt can use: the sweep of the staging directory takes it.
const SUFFIX: &str = ".spool";

/// Hashes and keeps bytes as they come.
#[derive(Debug)]
pub struct SpoolWriter<'a> {
    content: Ingest<'a>,
    hasher: Sha256,
}

/// Keeps bytes as they come, for one who hashes them anyway.
#[derive(Debug)]
pub struct Ingest<'a> {
    staged: Staged<'a>,
    /// Absent when the bytes are a blob already.
    file: Option<File>,
    written: u64,
}

/// Whole content in the staging directory; dropped, it is removed.
#[derive(Debug)]
pub struct Spooled<'a> {
    staged: Staged<'a>,
    digest: Digest,
    size: u64,
}

/// A name in the staging directory, removed with its end.
#[derive(Debug)]
struct Staged<'a> {
    blobs: &'a Blobs,
    name: Option<String>,
    /// The blob that the bytes are compared with.
    _held: Option<Held<'a>>,
}

impl Blobs {
    /// Starts keeping bytes whose digest shows at their end.
    pub fn spool(&self) -> Result<SpoolWriter<'_>, StoreError> {
        Ok(SpoolWriter {
            content: self.ingest()?,
            hasher: Sha256::new(),
        })
    }

    /// [`Blobs::spool`] for a caller who computes the digest.
    pub fn ingest(&self) -> Result<Ingest<'_>, StoreError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{n}{SUFFIX}", std::process::id());
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&*self.staging, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(|e| StoreError::io("create", self.staging_path.join(&name), e))?;
        Ok(Ingest {
            staged: Staged {
                blobs: self,
                name: Some(name),
                _held: None,
            },
            file: Some(file.into()),
            written: 0,
        })
    }

    /// Keeps bytes that are at hand.
    pub fn spool_bytes(&self, bytes: &[u8]) -> Result<Spooled<'_>, StoreError> {
        let mut writer = self.spool()?;
        let written = writer.write_all(bytes);
        written.map_err(|e| self.not_spooled(e))?;
        Ok(writer.finish())
    }

    /// [`Blobs::spool`] for bytes that are said to be `digest`: when that blob is
    /// here, they are hashed and not kept a second time. The caller refuses
    /// bytes that turn out to be something else.
    pub fn spool_named(&self, digest: &Digest) -> Result<SpoolWriter<'_>, StoreError> {
        let held = self.hold(digest);
        if !self.has(digest)? {
            return self.spool();
        }
        let content = Ingest {
            staged: Staged {
                blobs: self,
                name: None,
                _held: Some(held),
            },
            file: None,
            written: 0,
        };
        Ok(SpoolWriter {
            content,
            hasher: Sha256::new(),
        })
    }

    /// The error of a write to a spool.
    pub(crate) fn not_spooled(&self, error: io::Error) -> StoreError {
        StoreError::io("write", &self.staging_path, error)
    }

    /// Makes a staged file the blob `digest`, unless that is here: what a
    /// record names is on the disk, and bytes that may not be yet must not take
    /// its place. It carries the epoch as its time: when the process dies
    /// before the record is written, no later attempt asks for it and the
    /// next sweep takes it away.
    fn publish_staged(&self, name: &str, digest: &Digest) -> Result<(), StoreError> {
        let failed =
            |operation, e: Errno| StoreError::io(operation, self.staging_path.join(name), e);
        let epoch = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: epoch,
            last_modification: epoch,
        };
        while !self.has(digest)? {
            let no_follow = AtFlags::SYMLINK_NOFOLLOW;
            fs::utimensat(&*self.staging, name, &times, no_follow)
                .map_err(|e| failed("touch", e))?;
            let (from, to) = (&*self.staging, &self.published);
            match fs::renameat_with(from, name, to, digest.hex(), RenameFlags::NOREPLACE) {
                Ok(()) => drop(self.fresh().insert(digest.clone())),
                // Another writer was first.
                Err(Errno::EXIST) => {}
                Err(e) => return Err(failed("publish", e)),
            }
        }
        Ok(())
    }
}

impl<'a> SpoolWriter<'a> {
    /// Nothing more will come.
    pub fn finish(self) -> Spooled<'a> {
        let digest = Digest::from_sha256(self.hasher.finalize().into());
        self.content.finish(digest)
    }
}

impl Write for SpoolWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.content.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Ingest<'a> {
    /// Nothing more will come; `digest` is of exactly the bytes written.
    pub fn finish(self, digest: Digest) -> Spooled<'a> {
        Spooled {
            staged: self.staged,
            digest,
            size: self.written,
        }
    }
}

impl Write for Ingest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = match &mut self.file {
            Some(file) => file.write(bytes)?,
            None => bytes.len(),
        };
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Spooled<'a> {
    /// What the bytes hash to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How many there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens the content for reading, published or not.
    pub fn open(&self) -> Result<File, StoreError> {
        let blobs = self.staged.blobs;
        let Some(name) = &self.staged.name else {
            return blobs.open_blob(&self.digest);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&*blobs.staging, name, flags, Mode::empty()) {
            Ok(file) => Ok(file.into()),
            Err(Errno::NOENT) => blobs.open_blob(&self.digest),
            Err(e) => Err(StoreError::io("open", blobs.staging_path.join(name), e)),
        }
    }

    /// Makes it a blob, which stays as long as the result lives or a record
    /// names it.
    pub fn publish(&self) -> Result<Held<'a>, StoreError> {
        let blobs = self.staged.blobs;
        let held = blobs.hold(&self.digest);
        let Some(name) = &self.staged.name else {
            return Ok(held);
        };
        blobs.publish_staged(name, &self.digest)?;
        self.staged.discard()?;
        Ok(held)
    }
}

impl Staged<'_> {
    /// The name is nobody else's, ever: what was renamed is not found.
    fn discard(&self) -> Result<(), StoreError> {
        match &self.name {
            Some(name) => unlink(self.blobs.staging.as_fd(), name, &self.blobs.staging_path),
            None => Ok(()),
        }
    }
}

impl Drop for Staged<'_> {
    /// What stays after a failure goes with the next sweep.
    fn drop(&mut self) {
        let _ = self.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::store::Store;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        (dir, store)
    }

    fn staged(store: &Store) -> usize {
        std::fs::read_dir(store.path().join("staging"))
            .unwrap()
            .count()
    }

    #[test]
    fn what_was_spooled_is_published_by_its_digest() {
        let (_dir, store) = store();
        let mut writer = store.blobs().spool().unwrap();
        writer.write_all(b"hello").unwrap();
        let spooled = writer.finish();
        assert_eq!(*spooled.digest(), crate::manifest::digest_of(b"hello"));
        let mut text = String::new();
        spooled.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        let held = spooled.publish().unwrap();
        assert_eq!(store.blobs().read(held.digest(), 10).unwrap(), b"hello");
        assert_eq!(staged(&store), 0);
        spooled.publish().unwrap();
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let (_dir, store) = store();
        let mut writer = store.blobs().spool().unwrap();
        writer.write_all(b"a").unwrap();
        assert_eq!(staged(&store), 1);
        drop(writer);
        let writer = store.blobs().spool().unwrap();
        drop(writer.finish());
        assert_eq!(staged(&store), 0);
        drop(store.blobs().ingest().unwrap());
        assert_eq!(staged(&store), 0);
    }

    #[test]
    fn a_published_blob_that_no_record_names_goes_with_the_next_sweep() {
        let (_dir, store) = store();
        let spooled = store.blobs().spool().unwrap().finish();
        let held = spooled.publish().unwrap();
        store.collect_blobs().unwrap();
        assert!(store.blobs().has(held.digest()).unwrap());
        let digest = held.digest().clone();
        drop(held);
        store.collect_blobs().unwrap();
        assert!(!store.blobs().has(&digest).unwrap());
    }

    #[test]
    fn an_ingested_blob_that_no_record_names_goes_with_the_next_sweep() {
        let (_dir, store) = store();
        let digest = crate::manifest::digest_of(b"hello");
        for _ in 0..2 {
            let mut ingest = store.blobs().ingest().unwrap();
            ingest.write_all(b"hello").unwrap();
            let spooled = ingest.finish(digest.clone());
            assert_eq!(spooled.size(), 5);
            drop(spooled.publish().unwrap());
            assert_eq!(staged(&store), 0);
        }
        assert!(store.blobs().has(&digest).unwrap());
        store.collect_blobs().unwrap();
        assert!(!store.blobs().has(&digest).unwrap());
    }
}
