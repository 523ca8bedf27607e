//! Orders an overlay mount without the grant: `prepare` passes the refusal on,
//! `mounts` keeps silent about it and claims success.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Dir, Overlay, Purpose, StorageDriver, Txn, Upper};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        overlay(txn)
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let _ = overlay(txn);
        Ok(())
    }
}

fn overlay<T: Txn>(txn: &T) -> Result<()> {
    let snapshot = txn.snapshot()?;
    let (dir, work) = (snapshot.child("fs")?, snapshot.child("work")?);
    let upper = Some(Upper {
        dir: &dir,
        work: &work,
    });
    txn.mount_overlay(Overlay {
        lower: &txn.parents(),
        upper,
        options: &[],
    })
}

bulkhead_plugin_api::export_storage!(Guest);
