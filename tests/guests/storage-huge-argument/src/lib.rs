//! `prepare` gives the host a name of 16 MiB and a list of a million options.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{
    Access, Dir, Overlay, OverlayOption, Purpose, StorageDriver, Txn,
};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        let _ = snapshot.child(&"n".repeat(16 << 20)).map(drop);
        txn.mount_overlay(Overlay {
            lower: &[snapshot],
            upper: None,
            options: &vec![OverlayOption::Volatile; 1_000_000],
        })
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
