//! Volumes as users have them: `volume create`, `ls`, `inspect`, `rm`, `prune`.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use bulkhead_model::driver::VolumeDriver;
use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::volume::{VolumeLayout, VolumeRequest};
use bulkhead_store::VolumeRow;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::events::Subject;
use crate::{Engine, random_id};

/// The label by which Docker tells volumes that nobody named.
pub(crate) const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The driver of volumes that name none.
pub(super) const LOCAL: &str = "local";

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// Labels; absent when none were given.
    pub labels: Option<BTreeMap<String, String>>,
    /// Where its files are on the host.
    pub mountpoint: PathBuf,
    /// The short name of its driver.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Whether something is mounted over its directory while it is used.
    pub(crate) mounted: bool,
}

/// A volume as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct VolumeSpec {
    /// Its name; one is made up when empty.
    pub name: String,
    /// The short name of a driver; `local` when empty.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl VolumeSpec {
    fn driver(&self) -> &str {
        match self.driver.as_str() {
            "" => LOCAL,
            driver => driver,
        }
    }
}

/// What of a volume is kept as JSON.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    labels: Option<BTreeMap<String, String>>,
    options: BTreeMap<String, String>,
    mounted: bool,
}

impl Record {
    fn to_json(&self, volume: &str) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|source| EngineError::Record {
            id: volume.to_owned(),
            source,
        })
    }
}

impl Volume {
    /// Whether nobody gave it its name.
    pub fn is_anonymous(&self) -> bool {
        let labels = self.labels.as_ref();
        labels.is_some_and(|l| l.contains_key(ANONYMOUS))
    }
}

impl Engine {
    /// Every volume, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>, EngineError> {
        let rows = self.store.volumes()?.into_iter();
        rows.map(|row| self.volume_of(row)).collect()
    }

    /// The volume `name`.
    pub fn volume(&self, name: &str) -> Result<Volume, EngineError> {
        match self.store.find_volume(name)? {
            Some(row) => self.volume_of(row),
            None => Err(EngineError::NoSuchVolume(name.to_owned())),
        }
    }

    /// Makes a volume. One of that name is returned as it is, as in Docker.
    pub fn create_volume(&self, spec: VolumeSpec) -> Result<Volume, EngineError> {
        let _making = self.volume_lock.read();
        let mut spec = spec;
        if spec.name.is_empty() {
            spec.name = random_id().to_string();
            let labels = spec.labels.get_or_insert_default();
            labels.insert(ANONYMOUS.to_owned(), String::new());
        }
        super::check_volume_name(&spec.name)?;
        let driver = spec.driver().to_owned();
        self.volume_driver(&spec.name, &driver)?;
        let made = self.ensure_volume(&spec)?;
        if made.driver != driver {
            return Err(EngineError::OtherVolumeDriver {
                volume: spec.name,
                driver: made.driver,
            });
        }
        Ok(made)
    }

    /// The volume of that name, made when missing, if its driver has nothing
    /// against its options.
    pub(super) fn ensure_volume(&self, spec: &VolumeSpec) -> Result<Volume, EngineError> {
        let name = &spec.name;
        if let Some(row) = self.store.find_volume(name)? {
            return self.volume_of(row);
        }
        let driver = spec.driver();
        let layout = self.volume_layout(name, driver, &spec.options)?;
        let record = Record {
            labels: spec.labels.clone(),
            options: spec.options.clone(),
            mounted: layout.mount.is_some(),
        };
        let json = record.to_json(name)?;
        if let Some(bytes) = layout.limit {
            self.limit_files(name, self.store.begin_volume(name)?, bytes)?;
        }
        let row = self.store.ensure_volume(name, driver, &json)?;
        self.say_volume("create", name, driver);
        self.volume_of(row)
    }

    /// Holds an empty directory to a volume's size.
    pub(super) fn limit_files(
        &self,
        volume: &str,
        files: impl AsFd,
        bytes: u64,
    ) -> Result<(), EngineError> {
        let limited = self.runtime.limit_volume(files.as_fd(), bytes);
        limited.map_err(|source| EngineError::VolumeLimit {
            volume: volume.to_owned(),
            source,
        })
    }

    /// Makes the directory of a volume again that is gone.
    pub(crate) fn make_volume_again(&self, volume: &Volume) -> Result<(), EngineError> {
        let Volume {
            name,
            driver,
            options,
            ..
        } = volume;
        let layout = self.volume_layout(name, driver, options)?;
        let files = self.store.make_volume_again(name)?;
        match layout.limit {
            Some(bytes) => self.limit_files(name, files, bytes),
            None => Ok(()),
        }
    }

    /// Writes a volume's record anew.
    pub(super) fn record_volume(&self, volume: &Volume) -> Result<(), EngineError> {
        let record = Record {
            labels: volume.labels.clone(),
            options: volume.options.clone(),
            mounted: volume.mounted,
        };
        let json = record.to_json(&volume.name)?;
        Ok(self.store.update_volume(&volume.name, &json)?)
    }

    fn volume_driver(
        &self,
        volume: &str,
        driver: &str,
    ) -> Result<&Arc<dyn VolumeDriver>, EngineError> {
        let plugin = self.volume_drivers.get(driver);
        plugin.ok_or_else(|| EngineError::NoSuchVolumeDriver {
            volume: volume.to_owned(),
            driver: driver.to_owned(),
        })
    }

    /// What a driver says about a volume.
    pub(super) fn volume_layout(
        &self,
        name: &str,
        driver: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<VolumeLayout, EngineError> {
        let plugin = self.volume_driver(name, driver)?;
        let request = VolumeRequest {
            name: name.to_owned(),
            options: options.clone(),
            quota: self.runtime.has_volume_quota(),
        };
        plugin.lay_out(&request).map_err(|error| match error.cause {
            // The driver's words are for users, as Docker has them.
            PluginFailure::Refused { message, .. } => EngineError::VolumeOption {
                volume: name.to_owned(),
                message,
            },
            _ => EngineError::from(error),
        })
    }

    /// Removes a volume that no container has. `force` is content when there
    /// is none.
    pub fn remove_volume(&self, name: &str, force: bool) -> Result<(), EngineError> {
        let lock = self.volume_lock.write();
        let _alone = lock.unwrap_or_else(PoisonError::into_inner);
        if self.store.find_volume(name)?.is_none() {
            return match force {
                true => Ok(()),
                false => Err(EngineError::NoSuchVolume(name.to_owned())),
            };
        }
        let users = self.volume_users(name);
        if !users.is_empty() {
            return Err(EngineError::VolumeInUse {
                volume: name.to_owned(),
                users: users.join(", "),
            });
        }
        self.delete_volume(name)
    }

    /// Removes the volumes that `chosen` accepts and no container has: their
    /// names, and how many bytes they took.
    pub fn prune_volumes(
        &self,
        chosen: impl Fn(&Volume) -> bool,
    ) -> Result<(Vec<String>, u64), EngineError> {
        let lock = self.volume_lock.write();
        let _alone = lock.unwrap_or_else(PoisonError::into_inner);
        let (mut removed, mut bytes) = (Vec::new(), 0);
        for volume in self.volumes()? {
            let used = !self.volume_users(&volume.name).is_empty()
                || self.volume_users_now.is_restored(&volume.name);
            if used || !chosen(&volume) {
                continue;
            }
            bytes += self.volume_size(&volume.name)?;
            self.delete_volume(&volume.name)?;
            removed.push(volume.name);
        }
        let reclaimed = bytes.to_string();
        let attributes = [("reclaimed", reclaimed.as_str())];
        self.events
            .publish(Subject::Volume, "prune", "", attributes);
        Ok((removed, bytes))
    }

    /// The ids of the containers that have a volume, running or not.
    pub fn volume_users(&self, name: &str) -> Vec<String> {
        let all = self.containers.all();
        let records = all.iter().map(|e| e.record());
        let has = |r: &std::sync::Arc<crate::container::Container>| {
            let mut mounts = r.mounts.iter();
            mounts.any(|m| m.volume.as_deref() == Some(name))
        };
        records.filter(has).map(|r| r.id.to_string()).collect()
    }

    /// Bytes that a volume's files take.
    pub fn volume_size(&self, name: &str) -> Result<u64, EngineError> {
        Ok(self.store.volume_usage(name)?)
    }

    /// Removes a volume that nobody uses. What is mounted over it is another's.
    pub(super) fn delete_volume(&self, name: &str) -> Result<(), EngineError> {
        let volume = self.volume(name)?;
        if self.volume_users_now.is_restored(name) {
            return Err(EngineError::VolumeRestored(name.to_owned()));
        }
        self.runtime.unmount_volume(name)?;
        self.store.remove_volume(name)?;
        self.say_volume("destroy", name, &volume.driver);
        Ok(())
    }

    fn say_volume(&self, action: &str, name: &str, driver: &str) {
        self.events
            .publish(Subject::Volume, action, name, [("driver", driver)]);
    }

    fn volume_of(&self, row: VolumeRow) -> Result<Volume, EngineError> {
        let record: Record =
            serde_json::from_str(&row.json).map_err(|source| EngineError::Record {
                id: row.name.clone(),
                source,
            })?;
        Ok(Volume {
            mountpoint: self.store.volume_path(&row.name)?,
            name: row.name,
            created_at: row.created_at,
            labels: record.labels,
            driver: row.driver,
            options: record.options,
            mounted: record.mounted,
        })
    }
}
