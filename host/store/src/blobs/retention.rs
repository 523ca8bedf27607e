//! Which blobs stay.
//!
//! | A blob | is removed |
//! |---|---|
//! | of a recorded image | with the image |
//! | that an operation under way holds | not before it is let go |
//! | of a pull that broke off | a week later, or with [`Blobs::discard`] |

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use std::os::fd::AsFd;

use bulkhead_model::Digest;
use rusqlite::Connection;

use super::{Blobs, is_recent, unlink};
use crate::error::StoreError;

/// What [`Blobs::collect`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Keeps a blob from being removed, here or not yet, until it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    blobs: &'a Blobs,
    digest: Digest,
}

impl Held<'_> {
    /// Which blob.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.blobs.held();
        if let Some(count) = held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.digest);
            }
        }
    }
}

impl Blobs {
    /// Holds a blob for an operation that needs it.
    pub fn hold(&self, digest: &Digest) -> Held<'_> {
        *self.held().entry(digest.clone()).or_default() += 1;
        Held {
            blobs: self,
            digest: digest.clone(),
        }
    }

    /// Removes every blob that neither `live` names nor anything holds, but
    /// for those that a pull brought in the last week and never recorded: its
    /// next attempt finds them. `live` is asked while nothing can be held or
    /// let go, so that no image is recorded between the question and the end.
    pub fn collect(
        &self,
        live: impl FnOnce() -> Result<HashSet<Digest>, StoreError>,
    ) -> Result<Collected, StoreError> {
        let held = self.held();
        let live = live()?;
        let mut collected = Collected::default();
        let list = |e| StoreError::io("list", &self.published_path, e);
        for entry in std::fs::read_dir(&self.published_path).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name();
            let digest = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse().ok());
            let Some(digest) = digest else { continue };
            if live.contains(&digest) || held.contains_key(&digest) {
                continue;
            }
            let metadata = entry.metadata().map_err(list)?;
            if is_recent(&metadata) && self.recorded_size(&digest)?.is_none() {
                continue;
            }
            collected.blobs += 1;
            collected.bytes += metadata.len();
            self.delete(&digest)?;
        }
        Ok(collected)
    }

    /// Removes blobs that a transaction took from their images. `take` runs that
    /// transaction while nothing can be held or let go, and marks with
    /// [`Blobs::doom`] those that nobody needs any more: a crash leaves marks,
    /// and the next [`Blobs::collect`] removes what is marked.
    pub(crate) fn release<T>(
        &self,
        take: impl FnOnce(&dyn Fn(&Digest) -> bool) -> Result<(T, Vec<Digest>), StoreError>,
    ) -> Result<T, StoreError> {
        let held = self.held();
        let (value, doomed) = take(&|digest| held.contains_key(digest))?;
        for digest in &doomed {
            self.fresh().remove(digest);
            unlink(self.published.as_fd(), digest.hex(), &self.published_path)?;
        }
        self.forget(&doomed)?;
        Ok(value)
    }

    /// Marks a blob as to be removed: its record says a size that no file has.
    pub(crate) fn doom(db: &Connection, digest: &Digest) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE blobs SET size = -1 WHERE digest = ?1")?
            .execute([digest.as_str()])
            .map(drop)
    }

    fn forget(&self, digests: &[Digest]) -> Result<(), StoreError> {
        let step = "forget blobs";
        self.database.write(step, crate::Durability::Crash, |db| {
            digests.iter().try_for_each(|digest| {
                db.prepare_cached("DELETE FROM blobs WHERE digest = ?1")
                    .and_then(|mut s| s.execute([digest.as_str()]))
                    .map(drop)
                    .map_err(self.database.explain(step))
            })
        })
    }

    /// Removes what a pull brought for nothing, whole or in part: of `digests`
    /// those that no image needs and nothing holds.
    pub fn discard(&self, digests: &[Digest]) -> Result<(), StoreError> {
        let held = self.held();
        for digest in digests {
            if !held.contains_key(digest) && self.recorded_size(digest)?.is_none() {
                self.delete(digest)?;
                self.delete_partial(digest)?;
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
