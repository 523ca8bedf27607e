//! `prepare` never returns and keeps the host busy with calls.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        loop {
            std::hint::black_box(txn.facts());
        }
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
