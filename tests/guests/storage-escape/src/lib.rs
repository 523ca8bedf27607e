//! Tries to reach what it was not given. The snapshot's key names one of
//! [`ATTEMPTS`], and `prepare` returns what the host answered; with any other key
//! all are tried. Success means that it got out.

use bulkhead_plugin_api::storage::{
    Access, Dir, Overlay, Pool, Purpose, StorageDriver, Txn, Upper,
};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl StorageDriver for Guest {
    fn prepare<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        let key = txn.key();
        if ATTEMPTS.contains(&key.as_str()) {
            return attempt(txn, &key);
        }
        match ATTEMPTS.iter().find(|name| attempt(txn, name).is_ok()) {
            Some(_) => Ok(()),
            None => Err(Error::denied("every attempt was refused")),
        }
    }

    fn mounts<T: Txn>(txn: &T, _purpose: Purpose) -> Result<()> {
        txn.mount_bind(&txn.snapshot()?, Access::ReadWrite)
    }
}

const ATTEMPTS: [&str; 27] = [
    "dotdot",
    "dot",
    "root",
    "absolute",
    "nested",
    "nul",
    "hidden",
    "empty",
    "long",
    "forged-dotdot",
    "forged-path",
    "forged-other",
    "read-dotdot",
    "write-parent",
    "bind-parent",
    "remove-parent",
    "rename-parent",
    "rename-over-parent",
    "clone-into-parent",
    "overlay-on-parent",
    "snapshot-into-parent",
    "snapshot-of-other",
    "subvolume-in-parent",
    "seal-parent",
    "limit-parent",
    "limit-absurd",
    "pool-outside-probe",
];

fn attempt<T: Txn>(txn: &T, name: &str) -> Result<()> {
    let snapshot = txn.snapshot()?;
    match name {
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
        _ => attempt_on_parent(txn, &snapshot, name),
    }
}

/// A committed layer is only ever read: not written, moved, replaced or
/// mounted writable.
fn attempt_on_parent<T: Txn>(txn: &T, snapshot: &T::Dir, name: &str) -> Result<()> {
    let parents = txn.parents();
    let parent = parents
        .first()
        .ok_or_else(|| Error::not_found("the snapshot has no parent"))?;
    match name {
        "write-parent" => made(txn, parent.child("planted")),
        "bind-parent" => txn.mount_bind(parent, Access::ReadWrite),
        "remove-parent" => txn.remove_tree(parent),
        "rename-parent" => txn.rename(parent, snapshot),
        "rename-over-parent" => txn.rename(snapshot, parent),
        "clone-into-parent" => txn.clone_tree(snapshot, parent),
        "overlay-on-parent" => {
            let (dir, work) = (parent.child("fs")?, parent.child("work")?);
            let upper = Some(Upper {
                dir: &dir,
                work: &work,
            });
            txn.mount_overlay(Overlay {
                lower: &parents,
                upper,
                options: &[],
            })
        }
        _ => attempt_on_subvolumes(txn, snapshot, parent, name),
    }
}

/// The same with Btrfs' means, and a pool at the wrong time.
fn attempt_on_subvolumes<T: Txn>(
    txn: &T,
    snapshot: &T::Dir,
    parent: &T::Dir,
    name: &str,
) -> Result<()> {
    let own = snapshot.child("fs")?;
    match name {
        "snapshot-into-parent" => {
            txn.snapshot_subvolume(&own, &parent.child("planted")?, Access::ReadWrite)
        }
        "snapshot-of-other" => {
            let other = txn.snapshot_named("not-mine")?.child("fs")?;
            txn.snapshot_subvolume(&other, &own, Access::ReadOnly)
        }
        "subvolume-in-parent" => txn.create_subvolume(&parent.child("planted")?, 0o755),
        "seal-parent" => txn.seal_subvolume(&parent.child("fs")?),
        "limit-parent" => txn.limit_subvolume(&parent.child("fs")?, 1 << 30),
        "limit-absurd" => txn.limit_subvolume(&own, u64::MAX),
        "pool-outside-probe" => txn.pool(&Pool {
            filesystem: "btrfs".to_owned(),
            size: None,
            options: Vec::new(),
        }),
        other => Err(Error::internal(format!("no attempt is called {other}"))),
    }
}

fn made<T: Txn>(txn: &T, dir: Result<T::Dir>) -> Result<()> {
    txn.create_dir(&dir?, 0o755)
}

bulkhead_plugin_api::export_storage!(Guest);
