//! Volumes of which something is mounted while a container uses them: mounted
//! for the first, gone with the last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::Engine;
use crate::container::{Container, Mount};
use crate::error::EngineError;
use crate::events::Subject;
use crate::volumes::objects::{LOCAL, Volume};

/// Who uses which volume: ids of containers, and of looks at their files.
#[derive(Default)]
pub(crate) struct Users {
    volumes: Mutex<BTreeMap<String, Arc<Mutex<BTreeSet<String>>>>>,
    /// Read while a container's volumes become mounts of its own, written by
    /// who puts other files in a volume's place.
    pub(super) places: RwLock<()>,
    restored: Mutex<BTreeSet<String>>,
}

/// A volume whose files are being replaced.
pub(super) struct Restoring<'a> {
    users: &'a Users,
    volume: String,
}

impl Drop for Restoring<'_> {
    fn drop(&mut self) {
        self.users.restored().remove(&self.volume);
    }
}

impl Users {
    /// The users of a volume. A server that does not answer holds up whoever
    /// wants the same volume, and nobody else.
    fn of(&self, volume: &str) -> Arc<Mutex<BTreeSet<String>>> {
        let mut all = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(volume.to_owned()).or_default())
    }

    /// `None` while another restore of the volume goes on.
    pub(super) fn begin_restore(&self, volume: &str) -> Option<Restoring<'_>> {
        let begun = self.restored().insert(volume.to_owned());
        begun.then(|| Restoring {
            users: self,
            volume: volume.to_owned(),
        })
    }

    pub(super) fn is_restored(&self, volume: &str) -> bool {
        self.restored().contains(volume)
    }

    fn restored(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No volume's files are replaced while it lives.
    pub(crate) fn hold_places(&self) -> RwLockReadGuard<'_, ()> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Mounts what a container's volumes need. What was mounted for `user`
    /// before an error is for [`Engine::leave_volumes`].
    pub(crate) fn use_volumes(&self, record: &Container, user: &str) -> Result<(), EngineError> {
        for name in names(record) {
            self.use_volume(&self.volume(name)?, user)?;
        }
        Ok(())
    }

    /// Mounts what a volume needs.
    pub(super) fn use_volume(&self, volume: &Volume, user: &str) -> Result<(), EngineError> {
        if volume.mounted {
            let name = volume.name.as_str();
            let users = self.volume_users_now.of(name);
            let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
            let layout = self.volume_layout(name, &volume.driver, &volume.options)?;
            if let Some(mount) = &layout.mount {
                let mounted = self.runtime.mount_volume(name, mount);
                mounted.map_err(|source| EngineError::VolumeMount {
                    mountpoint: volume.mountpoint.display().to_string(),
                    source,
                })?;
            }
            users.insert(user.to_owned());
        }
        Ok(())
    }

    /// Says of each volume of a container that starts where it is.
    pub(crate) fn say_mounts(&self, record: &Container) {
        for mount in &record.mounts {
            let Some(volume) = &mount.volume else {
                continue;
            };
            let attributes = [
                ("container", record.id.as_str()),
                ("destination", &mount.target),
                ("driver", driver_of(mount)),
                ("propagation", &mount.options.propagation),
                ("read/write", if mount.read_only { "false" } else { "true" }),
            ];
            self.events
                .publish(Subject::Volume, "mount", volume, attributes);
        }
    }

    /// Says of each volume of a container that ended that it has it no more.
    pub(crate) fn say_unmounts(&self, record: &Container) {
        for mount in &record.mounts {
            let Some(volume) = &mount.volume else {
                continue;
            };
            let attributes = [
                ("container", record.id.as_str()),
                ("driver", driver_of(mount)),
            ];
            self.events
                .publish(Subject::Volume, "unmount", volume, attributes);
        }
    }

    /// `user` uses the container's volumes no more.
    pub(crate) fn leave_volumes(&self, record: &Container, user: &str) {
        for name in names(record) {
            self.leave_volume(name, user);
        }
    }

    pub(super) fn leave_volume(&self, name: &str, user: &str) {
        let users = self.volume_users_now.of(name);
        let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.remove(user) || !users.is_empty() {
            return;
        }
        self.unmount(name);
    }

    fn unmount(&self, name: &str) {
        if let Err(error) = self.runtime.unmount_volume(name) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(volume = name, error, "unmounting a volume");
        }
    }

    /// A container that runs already uses its volumes.
    pub(crate) fn count_volumes(&self, record: &Container) {
        for name in names(record) {
            if self.volume(name).is_ok_and(|volume| volume.mounted) {
                let users = self.volume_users_now.of(name);
                let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
                users.insert(record.id.to_string());
            }
        }
    }

    /// Unmounts what an engine before this one mounted for containers that
    /// have ended since. One that does not go holds up nobody's start.
    pub(crate) fn unmount_unused_volumes(&self) -> Result<(), EngineError> {
        for volume in self.volumes()?.iter().filter(|volume| volume.mounted) {
            let users = self.volume_users_now.of(&volume.name);
            let users = users.lock().unwrap_or_else(PoisonError::into_inner);
            if users.is_empty() {
                self.unmount(&volume.name);
            }
        }
        Ok(())
    }
}

/// Records of older daemons name none.
fn driver_of(mount: &Mount) -> &str {
    match mount.options.volume_driver.as_str() {
        "" => LOCAL,
        driver => driver,
    }
}

fn names(record: &Container) -> BTreeSet<&str> {
    let mounts = record.mounts.iter();
    mounts.filter_map(|m| m.volume.as_deref()).collect()
}
