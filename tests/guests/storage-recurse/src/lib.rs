//! `prepare` recurses until its stack ends.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let depth = txn.key().len() as u64;
        std::hint::black_box(deeper(depth));
        Ok(())
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deeper(depth.wrapping_add(1)).wrapping_add(frame[63])
}

bulkhead_plugin_api::export_storage!(Guest);
