//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{
    Access, Dir, PROJECT_QUOTA, Purpose, StorageDriver, Txn, Usage,
};
use bulkhead_plugin_api::{Error, Result};

const FS: &str = "fs";
/// The snapshot's own directory is passed through by the host alone.
const SNAPSHOT_MODE: u32 = 0o700;
/// `/` of a container whose image says nothing about it; a copy of a parent
/// takes the parent's mode and owner.
const ROOT_MODE: u32 = 0o755;

/// Docker's words, and what helps.
const NO_QUOTA: &str = "Filesystem does not support, or has not enabled quotas: \
     --storage-opt size needs a data root on XFS or ext4 mounted with 'prjquota'";

/// The driver.
pub(crate) struct Vfs;

impl StorageDriver for Vfs {
    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        let own = snapshot.child(FS)?;
        let parents = txn.parents();
        if let (Purpose::View, Some(parent)) = (purpose, parents.first()) {
            // Looking needs no copy; the directory stands for the key.
            txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
            return txn.mount_bind(&parent.child(FS)?, Access::ReadOnly);
        }
        txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
        if let Some(bytes) = txn.size() {
            if !txn.has_fact(PROJECT_QUOTA) {
                return Err(Error::unsupported(NO_QUOTA));
            }
            // Before anything is in it, so that the copy counts, as Docker's does.
            txn.limit_dir(&snapshot, bytes)?;
        }
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
        match txn.parents().first() {
            _ if !own.exists() => Ok(Usage::default()),
            Some(parent) => own.usage_over(&parent.child(FS)?),
            None => own.usage(),
        }
    }
}

#[cfg(test)]
mod tests;
