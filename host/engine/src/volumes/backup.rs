//! A volume's files as an archive, and back; and its labels.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::PoisonError;

use bulkhead_store::RESTORE;
use bulkhead_store::pack::{self, Style, Times};
use bulkhead_store::root::Root;
use bulkhead_store::unpack::{self, Extraction, Owner};

use super::mounts::Restoring;
use super::objects::{Volume, VolumeSpec};
use crate::error::EngineError;
use crate::view::named;
use crate::{Engine, random_id};

impl Engine {
    /// Writes a volume's files, with the directory's own rights, as an
    /// archive; `begin` is called when there is something to write.
    pub fn backup_volume<W: Write>(
        &self,
        name: &str,
        begin: impl FnOnce() -> W,
    ) -> Result<(), EngineError> {
        let volume = self.volume(name)?;
        self.with_files(&volume, |files| {
            let found = Root::new(files).find("/.").map_err(named(name))?;
            let style = Style {
                ids: &[],
                times: Times::Nanoseconds,
            };
            pack::resource(&found, style, begin())?;
            Ok(())
        })
    }

    /// Puts an archive's files in the place of a volume's, all at once and
    /// durably; a volume that is made for it goes when that fails. Where a
    /// driver mounts something for it the files are added to what is there.
    pub fn restore_volume(&self, name: &str, archive: impl Read + Send) -> Result<(), EngineError> {
        let restoring = self.begin_restore(name)?;
        if let Some(before) = self.store.find_volume(name)? {
            let volume = self.volume_for_restore(name, before.driver)?;
            return self.restore_files(&volume, archive);
        }
        self.store.unsettle_volume(name, RESTORE)?;
        let restored = self
            .volume_for_restore(name, String::new())
            .and_then(|volume| self.restore_files(&volume, archive));
        drop(restoring);
        if restored.is_err()
            && let Err(error) = self.remove_volume(name, true)
        {
            tracing::warn!(volume = name, %error, "removing a volume that was not restored");
        }
        let kept = self.store.keep_restored(name);
        restored.and(kept.map_err(EngineError::from))
    }

    fn volume_for_restore(&self, name: &str, driver: String) -> Result<Volume, EngineError> {
        self.create_volume(VolumeSpec {
            name: name.to_owned(),
            driver,
            ..VolumeSpec::default()
        })
    }

    /// Nobody removes the volume meanwhile, and one restore goes on at a time:
    /// they lay their files out in the same place.
    fn begin_restore(&self, name: &str) -> Result<Restoring<'_>, EngineError> {
        let making = self.volume_lock.read();
        let _making = making.unwrap_or_else(PoisonError::into_inner);
        let begun = self.volume_users_now.begin_restore(name);
        begun.ok_or_else(|| EngineError::VolumeRestored(name.to_owned()))
    }

    fn restore_files(&self, volume: &Volume, archive: impl Read + Send) -> Result<(), EngineError> {
        let name = volume.name.as_str();
        self.check_idle(name)?;
        if volume.mounted {
            return self.with_files(volume, |files| extract(files, name, archive));
        }
        let layout = self.volume_layout(name, &volume.driver, &volume.options)?;
        let new = self.store.begin_restore(name)?;
        if let Some(bytes) = layout.limit {
            // What is replaced is counted apart: for a while there are both.
            self.limit_files(name, &new, bytes)?;
        }
        let replaced = extract(new.as_fd(), name, archive).and_then(|()| {
            let places = self.volume_users_now.places.write();
            let _alone = places.unwrap_or_else(PoisonError::into_inner);
            self.check_idle(name)?;
            Ok(self.store.finish_restore(name)?)
        });
        if replaced.is_err()
            && let Err(error) = self.store.forget_restore(name)
        {
            tracing::warn!(volume = name, %error, "removing files that were not restored");
        }
        replaced
    }

    /// Removes labels, then sets some.
    pub fn update_volume(
        &self,
        name: &str,
        set: BTreeMap<String, String>,
        removed: &[String],
    ) -> Result<(), EngineError> {
        let lock = self.volume_lock.write();
        let _alone = lock.unwrap_or_else(PoisonError::into_inner);
        let mut volume = self.volume(name)?;
        let all = volume.labels.get_or_insert_default();
        all.retain(|name, _| !removed.contains(name));
        all.extend(set);
        self.record_volume(&volume)
    }

    fn check_idle(&self, name: &str) -> Result<(), EngineError> {
        let running = |id: &String| {
            let found = self.containers.find(id);
            found.is_ok_and(|entry| entry.is_active())
        };
        let mut users = self.volume_users(name);
        users.retain(running);
        match users.is_empty() {
            true => Ok(()),
            false => Err(EngineError::VolumeRuns {
                volume: name.to_owned(),
                users: users.join(", "),
            }),
        }
    }

    fn with_files<T>(
        &self,
        volume: &Volume,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let user = random_id().to_string();
        self.use_volume(volume, &user)?;
        let opened = (self.store.open_volume(&volume.name)).map_err(EngineError::from);
        let done = opened.and_then(|files| work(files.as_fd()));
        self.leave_volume(&volume.name, &user);
        done
    }
}

fn extract(
    files: BorrowedFd<'_>,
    name: &str,
    archive: impl Read + Send,
) -> Result<(), EngineError> {
    let how = Extraction {
        destination: Root::new(files)
            .find_destination("/")
            .map_err(named(name))?,
        no_overwrite_dir_non_dir: false,
        with_top: true,
        owner: Owner {
            all: None,
            ids: &[],
        },
    };
    unpack::extract(archive, &how, &unpack::Limits::default())?;
    Ok(())
}
