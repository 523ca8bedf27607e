//! `prepare` fails with 64 MiB of words.

use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        Err(Error::invalid(
            txn.key().repeat(1 + (64 << 20) / txn.key().len().max(1)),
        ))
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
