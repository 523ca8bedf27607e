//! The store as a whole.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_model::ContainerId;

use crate::blobs::{Blobs, sweep_staging};
use crate::data_root::{DataRoot, check_name, remove_tree};
use crate::database::Database;
use crate::error::StoreError;

/// Everything below one data root. Shared by reference; every method blocks.
#[derive(Debug)]
pub struct Store {
    pub(crate) root: DataRoot,
    pub(crate) database: Arc<Database>,
    blobs: Blobs,
}

impl Store {
    /// Opens a data root, making what is missing: directories with their
    /// modes, the lock, the database with its newest schema. Removes what
    /// cannot be resumed from `staging`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another daemon has it; [`StoreError::Damaged`],
    /// [`StoreError::DatabaseMissing`] and [`StoreError::TooNew`] for a
    /// database that cannot be used as it is.
    pub fn open(data_root: &Path) -> Result<Self, StoreError> {
        let root = DataRoot::open(data_root)?;
        let path = root.path().join("state.db");
        let database = Arc::new(Database::open(&path, used(root.path())?)?);
        sweep_staging(&root.path().join("staging"))?;
        let blobs = Blobs::open(&root, Arc::clone(&database))?;
        Ok(Self {
            root,
            database,
            blobs,
        })
    }

    /// The data root, canonical.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// syncfs(2) on every filesystem below the data root.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.root.sync()
    }

    /// A storage driver's directory, made when missing.
    pub fn driver_root(&self, driver: &str) -> Result<OwnedFd, StoreError> {
        check_name("storage driver", driver)?;
        self.root.make(&format!("storage/{driver}"), 0o700)
    }

    /// The path of [`Store::driver_root`].
    pub fn driver_path(&self, driver: &str) -> Result<PathBuf, StoreError> {
        check_name("storage driver", driver)?;
        Ok(self.root.path().join("storage").join(driver))
    }

    /// A container's directory, made when missing.
    pub fn container_dir(&self, id: &ContainerId) -> Result<OwnedFd, StoreError> {
        self.root.make(&format!("containers/{id}"), 0o700)
    }

    /// The path of [`Store::container_dir`].
    pub fn container_path(&self, id: &ContainerId) -> PathBuf {
        self.root.path().join("containers").join(id.as_str())
    }

    /// Removes a container's directory; a missing one is fine.
    pub fn remove_container_dir(&self, id: &ContainerId) -> Result<(), StoreError> {
        remove_tree(&self.container_path(id))
    }

    /// Container directories on disk, for the recovery at start.
    pub fn container_dirs(&self) -> Result<Vec<ContainerId>, StoreError> {
        let path = self.root.path().join("containers");
        let entries = std::fs::read_dir(&path).map_err(|e| StoreError::io("list", &path, e))?;
        Ok(entries
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .collect())
    }

    /// At rest the database is one file, without a log that could be left
    /// behind when it is copied.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.database.checkpoint()
    }

    /// What SQLite finds wrong with the database; nothing for a sound one
    /// (`PRAGMA integrity_check`).
    pub fn check_database(&self) -> Result<Vec<String>, StoreError> {
        let mut found: Vec<String> = self.database.read("check the database", |db| {
            db.prepare("PRAGMA integrity_check(20)")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        found.retain(|line| line != "ok");
        Ok(found)
    }

    /// Removes every blob no image needs; see [`Blobs::collect`].
    pub fn collect_blobs(&self) -> Result<crate::Collected, StoreError> {
        self.blobs.collect(|| {
            let needed = self.database.read("list the blobs of images", |db| {
                let sql = "SELECT id FROM images UNION SELECT manifest FROM images
                     UNION SELECT digest FROM image_layers";
                db.prepare_cached(sql)?
                    .query_map([], |row| row.get::<_, String>(0))?
                    .collect::<Result<Vec<_>, _>>()
            })?;
            let digest = |text: &String| crate::images::digest_of("image", text, text);
            needed.iter().map(digest).collect::<Result<HashSet<_>, _>>()
        })
    }
}

/// What a data root has that was used before. SQLite takes a file that is
/// empty, or whose log is gone, for a new database: that would silently forget
/// everything, and the sweep would remove it.
fn used(root: &Path) -> Result<Option<PathBuf>, StoreError> {
    for name in ["containers", "volumes", "blobs/sha256"] {
        let path = root.join(name);
        let mut entries = std::fs::read_dir(&path).map_err(|e| StoreError::io("list", &path, e))?;
        if entries.next().is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
