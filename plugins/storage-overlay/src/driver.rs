//! What the driver decides, operation by operation.

use bulkhead_plugin_api::storage::{Dir, OVERLAY_LAYERS, Purpose, StorageDriver, Txn, Usage};
use bulkhead_plugin_api::{Error, Result};

use crate::layers::{FS, WORK, mount};

/// The snapshot's own directory is passed through by the host alone.
const SNAPSHOT_MODE: u32 = 0o700;
/// Becomes `/` of a container whose image says nothing about it; a layer's
/// entry for its root directory sets the mode and owner it names.
const ROOT_MODE: u32 = 0o755;
/// The kernel makes `work/work` in it with mode 0; nobody else enters.
const WORK_MODE: u32 = 0o700;

/// Docker's words: it counts by project quotas, where this driver has none yet.
const NO_QUOTA: &str =
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";

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
        txn.refuse_size(NO_QUOTA)?;
        let snapshot = txn.snapshot()?;
        txn.create_dir(&snapshot, SNAPSHOT_MODE)?;
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

#[cfg(test)]
mod tests;
