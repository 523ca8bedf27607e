//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{Access, Dir, Purpose, StorageDriver, Txn, Usage, VolumeOption};
use bulkhead_plugin_api::{Code, Error, Result};

use crate::backend;
use crate::settings::Settings;
use crate::size::human;
use crate::status::{self, Pool};

const FS: &str = "fs";
/// Directories that the host alone passes through.
const MODE: u32 = 0o700;

/// The driver.
pub(crate) struct DeviceMapper;

impl StorageDriver for DeviceMapper {
    fn probe<T: Txn>(txn: &T) -> Result<()> {
        backend::choose(txn, &Settings::read(&txn.options())?)
    }

    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let settings = Settings::read(&txn.options())?;
        let snapshot = txn.snapshot()?;
        let parents = txn.parents();
        txn.create_dir(&snapshot, MODE)?;
        if let (Purpose::View, Some(parent)) = (purpose, parents.first()) {
            // Looking needs no snapshot; the directory stands for the key.
            return txn.mount_volume(&parent.child(FS)?, Access::ReadOnly, &settings.mount);
        }
        leave_room(txn, &settings)?;
        let own = snapshot.child(FS)?;
        txn.create_dir(&own, MODE)?;
        match parents.first() {
            Some(parent) => txn.snapshot_volume(&parent.child(FS)?, &own)?,
            None => txn.create_volume(&own, settings.base_size, settings.filesystem)?,
        }
        if let (Purpose::Run, Some(size)) = (purpose, txn.size()) {
            if size < settings.base_size {
                return Err(Error::invalid(format!(
                    "Container size cannot be smaller than {}",
                    human(settings.base_size)
                )));
            }
            txn.grow_volume(&own, size)?;
        }
        mount(txn, &own, purpose, &settings.mount)
    }

    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let settings = Settings::read(&txn.options())?;
        let snapshot = txn.snapshot()?;
        if !snapshot.exists() {
            return Err(Error::not_found(format!(
                "there is no snapshot {}",
                txn.key()
            )));
        }
        let own = snapshot.child(FS)?;
        match (purpose, txn.parents().first()) {
            (Purpose::View, Some(parent)) if !own.exists() => {
                mount(txn, &parent.child(FS)?, purpose, &settings.mount)
            }
            _ => mount(txn, &own, purpose, &settings.mount),
        }
    }

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        let own = txn.snapshot()?.child(FS)?;
        if own.exists() {
            own.usage()
        } else {
            Ok(Usage::default())
        }
    }

    fn status<T: Txn>(txn: &T) -> Result<Vec<(String, String)>> {
        Ok(status::rows(txn, &Settings::read(&txn.options())?))
    }
}

fn mount<T: Txn>(txn: &T, dir: &T::Dir, purpose: Purpose, options: &[VolumeOption]) -> Result<()> {
    txn.mount_volume(dir, purpose.access(), options)
}

/// A full pool breaks the filesystems in it: no snapshot begins when little is
/// left. Docker's words.
fn leave_room<T: Txn>(txn: &T, settings: &Settings) -> Result<()> {
    let pool = Pool::of(txn);
    for (of, name) in [("data", "data"), ("metadata", "metadata")] {
        let bytes = |what: &str| pool.bytes(&format!("{of}-{what}"));
        let Some((used, total)) = bytes("used").zip(bytes("total")) else {
            continue;
        };
        let (free, least) = (total.saturating_sub(used), total / 100 * settings.min_free);
        if free < least {
            let message = format!(
                "devmapper: the pool has {} of free {name} space, which is less than the minimum of {}. Create more free space in it or use devmapper.min_free_space to change behavior",
                human(free),
                human(least)
            );
            return Err(Error::new(Code::Exhausted, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
