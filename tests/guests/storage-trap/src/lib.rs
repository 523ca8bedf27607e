//! `prepare` panics; everything else works.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        panic!("on purpose, about {}", txn.key());
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
