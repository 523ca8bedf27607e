//! `prepare` orders a million steps and does not care what the host answers.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Dir, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        for i in 0..1_000_000 {
            let _ = snapshot
                .child(&format!("d{i}"))
                .and_then(|dir| txn.create_dir(&dir, 0o755));
        }
        Ok(())
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
