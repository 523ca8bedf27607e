//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{
    Dir, OVERLAY_LAYERS, PROJECT_QUOTA, Purpose, StorageDriver, Txn, Usage,
};
use bulkhead_plugin_api::{Error, Result};

use crate::layers::{FS, WORK, mount};

/// The snapshot's own directory is passed through by the host alone.
const SNAPSHOT_MODE: u32 = 0o700;
/// Becomes `/` of a container whose image says nothing about it; a layer's
/// entry for its root directory sets the mode and owner it names.
const ROOT_MODE: u32 = 0o755;
/// The kernel makes `work/work` in it with mode 0; nobody else enters.
const WORK_MODE: u32 = 0o700;

/// Docker's words, and what Docker does not know of.
const NO_QUOTA: &str = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option, \
     or ext4 with 'prjquota'";

/// The driver.
pub(crate) struct Overlayfs;

impl StorageDriver for Overlayfs {
    const FEATURES: &'static [&'static str] = &[OVERLAY_LAYERS];

    fn probe<T: Txn>(txn: &T) -> Result<()> {
        txn.refuse_options()?;
        if txn.has_fact("overlay") {
            return Ok(());
        }
        Err(Error::unsupported(
            "this kernel cannot mount overlay on the filesystem of the data root",
        ))
    }

    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
        if let Some(bytes) = txn.size() {
            limit(txn, &snapshot, bytes)?;
        }
        txn.create_dir(&snapshot.child(FS)?, ROOT_MODE)?;
        if purpose == Purpose::Run && !txn.parents().is_empty() {
            txn.create_dir(&snapshot.child(WORK)?, WORK_MODE)?;
        }
        mount(txn, &snapshot, purpose)
    }

    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        if !snapshot.exists() {
            return Err(Error::not_found(format!(
                "there is no snapshot {}",
                txn.key()
            )));
        }
        mount(txn, &snapshot, purpose)
    }

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        txn.snapshot()?.child(FS)?.usage()
    }
}

/// The upper directory and overlay's workshop are made in the snapshot, and
/// counted with it: overlay moves files from the one to the other.
fn limit<T: Txn>(txn: &T, snapshot: &T::Dir, bytes: u64) -> Result<()> {
    if txn.has_fact(PROJECT_QUOTA) {
        return txn.limit_dir(snapshot, bytes);
    }
    let known = ["xfs", "ext4", "tmpfs", "btrfs", "on-overlay"];
    let filesystem = known.into_iter().find(|name| txn.has_fact(name));
    let filesystem = match filesystem {
        Some("on-overlay") => "overlay",
        Some(name) => name,
        None => "another filesystem",
    };
    Err(Error::unsupported(format!(
        "{NO_QUOTA}; the data root is on {filesystem} without it"
    )))
}

#[cfg(test)]
mod tests;
