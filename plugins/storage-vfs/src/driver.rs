//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{Access, Dir, Purpose, StorageDriver, Txn, Usage};
use bulkhead_plugin_api::{Error, Result};

const FS: &str = "fs";
/// The snapshot's own directory is passed through by the host alone.
const SNAPSHOT_MODE: u32 = 0o700;
/// `/` of a container whose image says nothing about it; a copy of a parent
/// takes the parent's mode and owner.
const ROOT_MODE: u32 = 0o755;

/// Docker's words.
const NO_QUOTA: &str = "Filesystem does not support, or has not enabled quotas";

/// The driver.
pub(crate) struct Vfs;

impl StorageDriver for Vfs {
    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        txn.refuse_size(NO_QUOTA)?;
        let snapshot = txn.snapshot()?;
        let own = snapshot.child(FS)?;
        let parents = txn.parents();
        if let (Purpose::View, Some(parent)) = (purpose, parents.first()) {
            // Looking needs no copy; the directory stands for the key.
            txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
            return txn.mount_bind(&parent.child(FS)?, Access::ReadOnly);
        }
        txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
        txn.create_dir(&own, ROOT_MODE)?;
        if let Some(parent) = parents.first() {
            txn.clone_tree(&parent.child(FS)?, &own)?;
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

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        let own = txn.snapshot()?.child(FS)?;
        if own.exists() {
            own.usage()
        } else {
            Ok(Usage::default())
        }
    }
}

#[cfg(test)]
mod tests;
