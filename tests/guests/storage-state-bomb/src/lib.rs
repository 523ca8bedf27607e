//! `prepare` keeps more state than it may: large values, many keys.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let _ = txn.put_state("large", Some(&vec![7; 1 << 20]));
        for i in 0..100_000 {
            txn.put_state(&format!("key-{i}"), Some(&[7; 64 * 1024]))?;
        }
        Ok(())
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

bulkhead_plugin_api::export_storage!(Guest);
