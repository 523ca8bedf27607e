//! Wants volumes and pools that nobody can give it, and tells of itself
//! without end. The snapshot's key says which.

use bulkhead_plugin_api::storage::{
    Access, Dir, Filesystem, Pool, Purpose, StorageDriver, Txn, VolumeOption,
};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl StorageDriver for Guest {
    fn probe<T: Txn>(txn: &T) -> Result<()> {
        let pool = |filesystem: &str, size| Pool {
            filesystem: filesystem.to_owned(),
            size,
            options: Vec::new(),
        };
        let mut odd = pool("xfs", None);
        odd.options = vec![("mkfs".into(), "--help".into())];
        let wishes = [
            pool("xfs", Some(u64::MAX)),
            pool("xfs", Some(1)),
            pool("../../bin/sh", None),
            pool("proc", None),
            pool(&"x".repeat(1 << 20), None),
            odd,
        ];
        match wishes.iter().position(|wish| txn.pool(wish).is_ok()) {
            Some(number) => Err(Error::internal(format!("wish {number} was granted"))),
            None => Err(Error::invalid("refused each of them")),
        }
    }

    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let own = txn.snapshot()?;
        let parent = txn.parents().remove(0);
        let create = |dir: &T::Dir, size| txn.create_volume(dir, size, Filesystem::Ext4);
        match txn.key().as_str() {
            "create-absurd" => create(&own, u64::MAX)?,
            "create-nothing" => create(&own, 0)?,
            "create-in-parent" => create(&parent, 1 << 30)?,
            "create-outside" => create(&own.child("..")?, 1 << 30)?,
            "create-of-other" => create(&txn.snapshot_named("other")?, 1 << 30)?,
            "grow-absurd" => txn.grow_volume(&own, u64::MAX)?,
            "grow-parent" => txn.grow_volume(&parent, 1 << 30)?,
            "snapshot-over-parent" => txn.snapshot_volume(&own, &parent)?,
            "snapshot-of-other" => txn.snapshot_volume(&txn.snapshot_named("other")?, &own)?,
            "mount-parent" => txn.mount_volume(&parent, Access::ReadWrite, &[])?,
            "mount-of-other" => {
                txn.mount_volume(&txn.snapshot_named("other")?, Access::ReadOnly, &[])?;
            }
            "mount-many-options" => {
                let options = vec![VolumeOption::Discard; 2_000_000];
                txn.mount_volume(&own, Access::ReadWrite, &options)?;
            }
            "pool-outside-probe" => txn.pool(&Pool {
                filesystem: "xfs".into(),
                size: None,
                options: Vec::new(),
            })?,
            other => return Err(Error::internal(format!("no attempt {other}"))),
        }
        txn.mount_bind(&own, Access::ReadWrite)
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }

    fn status<T: Txn>(_txn: &T) -> Result<Vec<(String, String)>> {
        let row = ("\x1b[2J".repeat(100), "many\nlines\n".repeat(1_000));
        Ok(vec![row; 400])
    }
}

bulkhead_plugin_api::export_storage!(Guest);
