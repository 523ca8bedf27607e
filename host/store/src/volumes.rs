//! Named volumes: a record and a directory each.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bulkhead_sys::directory::{is_mount_root, rename_exchange};
use bulkhead_sys::path::open_host_dir;
use rusqlite::OptionalExtension;

use crate::data_root::{check_name, remove_tree};
use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// Beside a volume's files: those that are to replace them.
const RESTORED: &str = "_restored";

const UNSETTLE: &str = "INSERT OR IGNORE INTO unsettled_volumes (name, owner) VALUES (?1, ?2)";
const SETTLE: &str = "DELETE FROM unsettled_volumes WHERE name = ?1 AND owner = ?2";

/// Whom a volume is made for that is restored: no container has such an id.
pub const RESTORE: &str = "restore";

/// A volume's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRow {
    /// Its name, one path component.
    pub name: String,
    /// `local`.
    pub driver: String,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// The engine's record (labels, options), as JSON.
    pub json: String,
}

impl Store {
    /// The volume `name`, made when missing: `volumes/<name>/_data`, 0755,
    /// empty, and its record. An existing one is returned as it is. What a
    /// crash leaves of it, [`Store::settle_volumes`] removes.
    pub fn ensure_volume(
        &self,
        name: &str,
        driver: &str,
        json: &str,
    ) -> Result<VolumeRow, StoreError> {
        check_name("local volume", name)?;
        if let Some(row) = self.find_volume(name)? {
            return Ok(row);
        }
        self.begin_volume(name)?;
        let made_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let step = "record a volume";
        self.database.write(step, Durability::PowerCut, |db| {
            let sql = "INSERT OR IGNORE INTO volumes (name, driver, created_at, record) VALUES (?1, ?2, ?3, ?4)";
            db.execute(sql, (name, driver, made_at.cast_signed(), json))
                .and_then(|_| db.execute(SETTLE, (name, "")))
                .map_err(self.database.explain(step))
        })?;
        self.volume(name)
    }

    /// The directory of a volume that is about to be recorded, `_data`.
    /// Without a record it goes with the next [`Store::settle_volumes`].
    pub fn begin_volume(&self, name: &str) -> Result<OwnedFd, StoreError> {
        check_name("local volume", name)?;
        self.unsettle_volume(name, "")?;
        self.make_directory_of(name)
    }

    fn make_directory_of(&self, name: &str) -> Result<OwnedFd, StoreError> {
        self.root.make(&format!("volumes/{name}"), 0o711)?;
        self.root.make(&format!("volumes/{name}/_data"), 0o755)
    }

    /// The record of `name`.
    pub fn volume(&self, name: &str) -> Result<VolumeRow, StoreError> {
        self.find_volume(name)?.ok_or_else(|| no_such_volume(name))
    }

    /// Where a volume's files are.
    pub fn volume_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name("local volume", name)?;
        Ok(self.root.path().join("volumes").join(name).join("_data"))
    }

    /// Makes a volume's directory again, empty, when it is not there.
    pub fn make_volume_again(&self, name: &str) -> Result<OwnedFd, StoreError> {
        check_name("local volume", name)?;
        self.make_directory_of(name)
    }

    /// The directory of a volume's files, or the root of what is mounted over it.
    pub fn open_volume(&self, name: &str) -> Result<OwnedFd, StoreError> {
        let path = self.volume_path(name)?;
        open_host_dir(&path).map_err(|e| StoreError::io("open", &path, e))
    }

    /// Bytes that a volume's files take on the disk.
    pub fn volume_usage(&self, name: &str) -> Result<u64, StoreError> {
        check_name("local volume", name)?;
        let folder = self.root.subdirectory(&format!("volumes/{name}"))?;
        let usage = bulkhead_sys::tree::usage(folder);
        let (bytes, _) = usage.map_err(|source| StoreError::Io {
            operation: "measure",
            path: self.root.path().join("volumes").join(name),
            source: source.into(),
        })?;
        Ok(bytes)
    }

    /// Every volume, by name.
    pub fn volumes(&self) -> Result<Vec<VolumeRow>, StoreError> {
        self.database.read("list volumes", |db| {
            db.prepare_cached("SELECT name, driver, created_at, record FROM volumes ORDER BY name")?
                .query_map([], row_of)?
                .collect()
        })
    }

    /// Removes a volume with everything in it. The record goes first, so that
    /// a crash in between leaves a nameless directory and no half-empty volume.
    pub fn remove_volume(&self, name: &str) -> Result<(), StoreError> {
        check_name("local volume", name)?;
        if self.has_mount(name)? {
            let path = self.volume_path(name)?;
            let busy = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
            return Err(StoreError::io("remove what is mounted at", path, busy));
        }
        let step = "remove a volume";
        self.database.write(step, Durability::PowerCut, |db| {
            let gone = db
                .execute("DELETE FROM volumes WHERE name = ?1", [name])
                .map_err(self.database.explain(step))?;
            if gone == 0 {
                return Err(no_such_volume(name));
            }
            db.execute(UNSETTLE, (name, ""))
                .map(drop)
                .map_err(self.database.explain(step))
        })?;
        self.finish_removal(name)
    }

    /// Changes a volume's record.
    pub fn update_volume(&self, name: &str, json: &str) -> Result<(), StoreError> {
        let step = "change a volume's record";
        self.database.write(step, Durability::PowerCut, |db| {
            let changed = db.execute(
                "UPDATE volumes SET record = ?2 WHERE name = ?1",
                (name, json),
            );
            match changed.map_err(self.database.explain(step))? {
                0 => Err(no_such_volume(name)),
                _ => Ok(()),
            }
        })
    }

    /// A directory in which a volume's new files are laid out; whatever a
    /// crash left in it is removed.
    pub fn begin_restore(&self, name: &str) -> Result<OwnedFd, StoreError> {
        check_name("local volume", name)?;
        self.forget_restore(name)?;
        self.root.make(&format!("volumes/{name}/{RESTORED}"), 0o755)
    }

    /// Puts the laid-out files, which are on the disk then, in the place of
    /// the volume's, at once.
    pub fn finish_restore(&self, name: &str) -> Result<(), StoreError> {
        check_name("local volume", name)?;
        let path = self.root.path().join("volumes").join(name);
        let folder = self.root.subdirectory(&format!("volumes/{name}"))?;
        let failed = |e: bulkhead_sys::Error| StoreError::io("restore", &path, e);
        self.root.sync()?;
        rename_exchange(&folder, RESTORED, &folder, "_data").map_err(failed)?;
        self.root.sync()?;
        self.forget_restore(name)
    }

    /// Removes what was laid out, or the files that were replaced.
    pub fn forget_restore(&self, name: &str) -> Result<(), StoreError> {
        check_name("local volume", name)?;
        remove_tree(&self.root.path().join("volumes").join(name).join(RESTORED))
    }

    /// Notes that a volume is made for a container that has no record yet: it
    /// goes with the next [`Store::settle_volumes`], unless the container is
    /// known then or it was kept before.
    pub fn unsettle_volume(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        let step = "note a volume";
        self.database.write(step, Durability::Crash, |db| {
            db.execute(UNSETTLE, (name, owner))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// The container has its record: its volumes are there to stay.
    pub fn keep_volumes(&self, owner: &str) -> Result<(), StoreError> {
        let step = "keep volumes";
        self.database.write(step, Durability::Crash, |db| {
            db.execute("DELETE FROM unsettled_volumes WHERE owner = ?1", [owner])
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// A volume that was made for a restore is there to stay.
    pub fn keep_restored(&self, name: &str) -> Result<(), StoreError> {
        let step = "keep a volume";
        self.database.write(step, Durability::PowerCut, |db| {
            db.execute(SETTLE, (name, RESTORE))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// Removes volumes whose making or removal a crash cut off. `is_known`
    /// tells whether the container that a volume is for has a record, or any
    /// uses the volume if it was made for a restore. Must be called while
    /// nothing is being made.
    pub fn settle_volumes(&self, is_known: impl Fn(&str, &str) -> bool) -> Result<(), StoreError> {
        for row in self.volumes()? {
            self.forget_restore(&row.name)?;
        }
        let unsettled: Vec<(String, String)> =
            self.database.read("list unsettled volumes", |db| {
                db.prepare_cached("SELECT name, owner FROM unsettled_volumes")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })?;
        for (name, owner) in unsettled {
            if self.has_mount(&name)? {
                // For a later start, when it is gone.
                continue;
            }
            let recorded = self.find_volume(&name)?.is_some();
            match owner.as_str() {
                "" if recorded => self.forget_note(&name)?,
                RESTORE if recorded && (is_known(RESTORE, &name) || !self.is_empty(&name)?) => {
                    self.keep_restored(&name)?;
                }
                owner if !owner.is_empty() && is_known(owner, &name) => self.keep_volumes(owner)?,
                _ if recorded => self.remove_volume(&name)?,
                _ => self.finish_removal(&name)?,
            }
        }
        Ok(())
    }

    /// A restore puts all files into place at once.
    fn is_empty(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.volume_path(name)?;
        match std::fs::read_dir(&path) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(StoreError::io("list", &path, error)),
        }
    }

    /// Whether something is mounted over a volume's directory: files there are
    /// somebody else's, and no removal may reach them.
    fn has_mount(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.volume_path(name)?;
        match open_host_dir(&path) {
            Ok(files) => is_mount_root(files).map_err(|e| StoreError::io("look at", &path, e)),
            Err(error) if error.io_kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("open", &path, error)),
        }
    }

    fn finish_removal(&self, name: &str) -> Result<(), StoreError> {
        remove_tree(&self.root.path().join("volumes").join(name))?;
        self.forget_note(name)
    }

    fn forget_note(&self, name: &str) -> Result<(), StoreError> {
        let step = "forget a volume";
        self.database.write(step, Durability::Crash, |db| {
            db.execute("DELETE FROM unsettled_volumes WHERE name = ?1", [name])
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// The record of `name`, if there is one.
    pub fn find_volume(&self, name: &str) -> Result<Option<VolumeRow>, StoreError> {
        self.database.read("look up a volume", |db| {
            db.prepare_cached(
                "SELECT name, driver, created_at, record FROM volumes WHERE name = ?1",
            )?
            .query_row([name], row_of)
            .optional()
        })
    }
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<VolumeRow> {
    Ok(VolumeRow {
        name: row.get(0)?,
        driver: row.get(1)?,
        created_at: row.get::<_, i64>(2)?.cast_unsigned(),
        json: row.get(3)?,
    })
}

fn no_such_volume(name: &str) -> StoreError {
    StoreError::NotFound {
        what: "volume",
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
