//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{Access, Dir, Pool, Purpose, StorageDriver, Txn, Usage};
use bulkhead_plugin_api::{Error, Result};

use crate::options::Options;
use crate::status;

const FS: &str = "fs";
/// The snapshot's own directory is passed through by the host alone.
const SNAPSHOT_MODE: u32 = 0o700;
/// `/` of a container whose image says nothing about it; a snapshot has the
/// mode and owner of the layer below.
const ROOT_MODE: u32 = 0o755;

/// The driver.
pub(crate) struct Btrfs;

impl StorageDriver for Btrfs {
    fn probe<T: Txn>(txn: &T) -> Result<()> {
        let options = Options::of(txn)?;
        if txn.has_fact("btrfs") {
            return Ok(());
        }
        let missing = [
            ("kernel-btrfs", "this kernel has no Btrfs"),
            ("loop", "this kernel has no loop devices"),
            ("mkfs.btrfs", "mkfs.btrfs is not installed (btrfs-progs)"),
        ];
        for (fact, why) in missing {
            if !txn.has_fact(fact) {
                return Err(Error::unsupported(format!(
                    "the data root is no Btrfs, and no pool can be made in a file: {why}"
                )));
            }
        }
        txn.pool(&Pool {
            filesystem: "btrfs".to_owned(),
            size: options.pool_size,
            options: Vec::new(),
        })
    }

    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        let parents = txn.parents();
        txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
        if let (Purpose::View, Some(parent)) = (purpose, parents.first()) {
            // Looking needs no snapshot; the directory stands for the key.
            return txn.mount_bind(&parent.child(FS)?, Access::ReadOnly);
        }
        let own = snapshot.child(FS)?;
        match parents.first() {
            Some(parent) => {
                txn.snapshot_subvolume(&parent.child(FS)?, &own, Access::ReadWrite)?;
            }
            None => txn.create_subvolume(&own, ROOT_MODE)?,
        }
        if let Some(bytes) = txn.size() {
            limit(txn, &own, bytes)?;
        }
        txn.mount_bind(&own, purpose.access())
    }

    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
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
                txn.mount_bind(&parent.child(FS)?, Access::ReadOnly)
            }
            _ => txn.mount_bind(&own, purpose.access()),
        }
    }

    fn commit<T: Txn>(txn: &T, name: &str) -> Result<()> {
        let snapshot = txn.snapshot()?;
        txn.seal_subvolume(&snapshot.child(FS)?)?;
        txn.rename(&snapshot, &txn.snapshot_named(name)?)
    }

    fn status<T: Txn>(txn: &T) -> Result<Vec<(String, String)>> {
        Ok(status::rows(txn))
    }

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        let own = txn.snapshot()?.child(FS)?;
        match txn.parents().first() {
            _ if !own.exists() => Ok(Usage::default()),
            Some(parent) => own.usage_over(&parent.child(FS)?),
            None => own.usage(),
        }
    }
}

fn limit<T: Txn>(txn: &T, own: &T::Dir, bytes: u64) -> Result<()> {
    let least = Options::of(txn)?.min_space;
    if bytes < least {
        return Err(Error::invalid(format!(
            "btrfs: storage size cannot be less than {least} bytes"
        )));
    }
    txn.limit_subvolume(own, bytes)
}

#[cfg(test)]
mod tests;
