//! `prepare` never returns and calls nobody.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let mut turns = txn.key().len() as u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
