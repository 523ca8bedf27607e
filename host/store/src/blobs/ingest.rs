//! Writing content whose digest is known only at its end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::Digest;
use rustix::fs::{self, Mode, OFlags};

use super::{Blobs, unlink};
use crate::error::StoreError;

/// Content on its way in. Dropped without [`Ingest::publish`], nothing is left
/// of it; what a crash leaves goes with the next opening of the store.
#[derive(Debug)]
pub struct Ingest<'a> {
    blobs: &'a Blobs,
    /// In `staging`; nobody else's, ever.
    name: String,
    file: File,
    written: u64,
}

impl<'a> Ingest<'a> {
    pub(super) fn begin(blobs: &'a Blobs) -> Result<Self, StoreError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ingest-{}-{n}", std::process::id());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&*blobs.staging, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(|e| StoreError::io("open", blobs.staging_path.join(&name), e))?;
        Ok(Self {
            blobs,
            name,
            file: file.into(),
            written: 0,
        })
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Publishes the content as the blob `digest`, which the caller computed
    /// over exactly the bytes that were written.
    pub fn publish(self, digest: &Digest) -> Result<(), StoreError> {
        self.blobs.publish_staged(&self.name, digest)
    }
}

impl Write for Ingest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        let staging = self.blobs.staging.as_fd();
        // What stays goes with the next opening of the store.
        let _ = unlink(staging, &self.name, &self.blobs.staging_path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::digest_of;
    use crate::store::Store;

    #[test]
    fn content_is_a_blob_when_published_and_nothing_when_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let digest = digest_of(b"layer");
        let mut dropped = store.blobs().ingest().unwrap();
        dropped.write_all(b"lay").unwrap();
        drop(dropped);
        let mut ingest = store.blobs().ingest().unwrap();
        ingest.write_all(b"layer").unwrap();
        assert_eq!(ingest.written(), 5);
        ingest.publish(&digest).unwrap();
        assert_eq!(store.blobs().read(&digest, 10).unwrap(), b"layer");
        let staging = std::fs::read_dir(temp.path().join("staging")).unwrap();
        assert_eq!(staging.count(), 0);
    }
}
