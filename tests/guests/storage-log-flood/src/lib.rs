//! `prepare` logs a hundred thousand lines, some with control characters, and
//! succeeds.

use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};
use bulkhead_plugin_api::{Result, log};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        for i in 0..100_000 {
            log::warn(&format!("{i}\n\x1b[2Jforged line\r{}", "x".repeat(5_000)));
        }
        Self::mounts(txn, Purpose::Run)
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
