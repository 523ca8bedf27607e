//! Tries to reach what it was not given. The snapshot's key says how; `prepare`
//! returns what the host answered, and success means that it got out.

use bulkhead_plugin_api::storage::{Access, Dir, Overlay, Purpose, StorageDriver, Txn, Upper};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        let parent = || {
            txn.parents()
                .into_iter()
                .next()
                .ok_or_else(|| Error::internal("the test gives a parent"))
        };
        match txn.key().as_str() {
            "dotdot" => made(txn, snapshot.child("..")),
            "dot" => made(txn, snapshot.child(".")),
            "root" => made(txn, snapshot.child("/")),
            "absolute" => made(txn, snapshot.child("/etc")),
            "nested" => made(txn, snapshot.child("a/../../../etc")),
            "nul" => made(txn, snapshot.child("a\0b")),
            "hidden" => made(txn, snapshot.child(".ssh")),
            "empty" => made(txn, snapshot.child("")),
            "long" => made(txn, snapshot.child(&"a".repeat(100_000))),
            "forged-dotdot" => made(txn, txn.snapshot_named("..")),
            "forged-path" => made(txn, txn.snapshot_named("../../state.db")),
            "forged-other" => made(txn, txn.snapshot_named("not-mine")),
            "read-dotdot" => snapshot.read_small("../../state.db").map(drop),
            "write-parent" => made(txn, parent()?.child("planted")),
            "bind-parent" => txn.mount_bind(&parent()?, Access::ReadWrite),
            "remove-parent" => txn.remove_tree(&parent()?),
            "rename-parent" => txn.rename(&parent()?, &snapshot),
            "rename-over-parent" => txn.rename(&snapshot, &parent()?),
            "clone-into-parent" => txn.clone_tree(&snapshot, &parent()?),
            "overlay-on-parent" => overlay_on(txn, &parent()?),
            other => Err(Error::internal(format!("no attempt is called {other}"))),
        }
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

fn made<T: Txn>(txn: &T, dir: Result<T::Dir>) -> Result<()> {
    txn.create_dir(&dir?, 0o755)
}

/// A committed layer is never written: neither as upper nor as work directory.
fn overlay_on<T: Txn>(txn: &T, parent: &T::Dir) -> Result<()> {
    let (dir, work) = (parent.child("fs")?, parent.child("work")?);
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
