//! Writing one blob.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::Digest;
use bulkhead_model::registry::BlobDescriptor;
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{Blobs, unlink};
use crate::error::StoreError;

pub(super) const SUFFIX: &str = ".partial";

/// A blob on its way in. Dropping it keeps what was written for the next
/// attempt; only [`BlobWriter::commit`] publishes it.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    blobs: &'a Blobs,
    /// In `staging`.
    name: String,
    /// flock'd, so that a second writer of the same digest takes another name.
    file: File,
    hasher: Sha256,
    written: u64,
    digest: Digest,
    size: u64,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn open(
        blobs: &'a Blobs,
        descriptor: &BlobDescriptor,
        replay: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Self, StoreError> {
        let (name, file) = claim(blobs, &descriptor.digest)?;
        let mut writer = Self {
            blobs,
            name,
            file,
            hasher: Sha256::new(),
            written: 0,
            digest: descriptor.digest.clone(),
            size: descriptor.size,
        };
        writer.take_up(replay)?;
        Ok(writer)
    }

    /// How many bytes are there: where the next write goes.
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// Whether every byte is there.
    pub fn is_full(&self) -> bool {
        self.written == self.size
    }

    /// Appends bytes. More than the descriptor's size is refused at once, and
    /// what was written is thrown away: none of it can be trusted.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 > self.size - self.written {
            self.discard()?;
            return Err(StoreError::TooLong {
                digest: self.digest.clone(),
                expected: self.size,
            });
        }
        self.file
            .write_all(bytes)
            .map_err(|e| self.io("write", e))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Checks size and digest, and publishes the blob. A blob with the wrong
    /// digest is removed; a short one is kept for the next attempt.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let hasher = std::mem::take(&mut self.hasher);
        let actual = Digest::from_sha256(hasher.finalize().into());
        if self.written < self.size {
            let (digest, expected) = (self.digest, self.size);
            return Err(StoreError::Truncated {
                digest,
                expected,
                actual: self.written,
            });
        }
        if actual != self.digest {
            self.discard()?;
            return Err(StoreError::DigestMismatch {
                expected: self.digest,
                actual,
            });
        }
        // Another writer may have published the same bytes already; replacing
        // them is harmless.
        let published = &self.blobs.published;
        fs::renameat(
            &*self.blobs.staging,
            &self.name,
            published,
            self.digest.hex(),
        )
        .map_err(|e| self.io("publish", e.into()))?;
        self.blobs.fresh().insert(self.digest.clone());
        Ok(())
    }

    /// Hashes what an earlier attempt left.
    fn take_up(
        &mut self,
        replay: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let held = self.file.metadata().map_err(|e| self.io("stat", e))?.len();
        if held > self.size {
            self.file.set_len(0).map_err(|e| self.io("truncate", e))?;
            return Ok(());
        }
        let mut buffer = vec![0; usize::try_from(held).unwrap_or(usize::MAX).min(256 * 1024)];
        while self.written < held {
            let n = self
                .file
                .read(&mut buffer)
                .map_err(|e| self.io("read", e))?;
            if n == 0 {
                break;
            }
            self.hasher.update(&buffer[..n]);
            self.written += n as u64;
            replay(&buffer[..n]).map_err(|e| self.io("replay", e))?;
        }
        self.file
            .seek(io::SeekFrom::Start(self.written))
            .map_err(|e| self.io("seek", e))?;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        unlink(
            self.blobs.staging.as_fd(),
            &self.name,
            &self.blobs.staging_path,
        )
    }

    fn io(&self, operation: &'static str, error: io::Error) -> StoreError {
        StoreError::io(operation, self.blobs.staging_path.join(&self.name), error)
    }
}

impl Blobs {
    /// Removes what an attempt left of a blob that nobody writes.
    pub(super) fn delete_partial(&self, digest: &Digest) -> Result<(), StoreError> {
        let name = format!("{}{SUFFIX}", digest.hex());
        unlink(self.staging.as_fd(), &name, &self.staging_path)
    }
}

/// Opens the partial file of `digest` and locks it; when someone else is
/// writing it, a file of our own.
fn claim(blobs: &Blobs, digest: &Digest) -> Result<(String, File), StoreError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = format!("{}{SUFFIX}", digest.hex());
    loop {
        let file = open(blobs, &name)?;
        let failed = |e: Errno| StoreError::io("lock", blobs.staging_path.join(&name), e);
        match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Between open and flock another writer may have published or
            // removed the file; then the lock is on something nameless.
            Ok(()) if is_named(blobs, &name, &file).map_err(failed)? => return Ok((name, file)),
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let n = COUNTER.fetch_add(1, Ordering::Relaxed);
                name = format!("{}.{}-{n}{SUFFIX}", digest.hex(), std::process::id());
            }
            Err(e) => return Err(failed(e)),
        }
    }
}

fn open(blobs: &Blobs, name: &str) -> Result<File, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(&*blobs.staging, name, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|e| StoreError::io("open", blobs.staging_path.join(name), e))
}

fn is_named(blobs: &Blobs, name: &str, file: &File) -> Result<bool, Errno> {
    let ours = fs::fstat(file)?;
    match fs::statat(&*blobs.staging, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e),
    }
}
