//! An overlay driver with one flaw, which its option `flaw` names. The
//! conformance suite must find each, and say what is wrong.

use bulkhead_plugin_api::storage::{
    Access, Dir, OVERLAY_LAYERS, Overlay, Purpose, StorageDriver, Txn, Upper, Usage,
};
use bulkhead_plugin_api::{Error, Result};

struct Broken;

const LAST: &str = "last";

fn has<T: Txn>(txn: &T, flaw: &str) -> bool {
    let is_it = |(name, value): &(String, String)| name == "flaw" && value == flaw;
    txn.options().iter().any(is_it)
}

fn mount<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
    let snapshot = txn.snapshot()?;
    let own = snapshot.child("fs")?;
    let parents = txn.parents();
    let lower = parents.iter().map(|parent| parent.child("fs"));
    let mut lower = lower.collect::<Result<Vec<_>>>()?;
    if lower.len() > 2 && has(txn, "forgets-a-parent") {
        lower.pop();
    }
    let access = match purpose {
        Purpose::View if !has(txn, "writable-view") => Access::ReadOnly,
        _ => Access::ReadWrite,
    };
    if purpose == Purpose::Extract || lower.is_empty() {
        return txn.mount_bind(&own, access);
    }
    let work = snapshot.child("work")?;
    let upper = Upper {
        dir: &own,
        work: &work,
    };
    txn.mount_overlay(Overlay {
        lower: &lower,
        upper: (access == Access::ReadWrite).then_some(upper),
        options: &[],
    })
}

impl StorageDriver for Broken {
    const FEATURES: &'static [&'static str] = &[OVERLAY_LAYERS];

    /// Knows its option, unlike a driver without any.
    fn probe<T: Txn>(_txn: &T) -> Result<()> {
        Ok(())
    }

    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        if has(txn, "prepares-twice") && snapshot.exists() {
            return mount(txn, purpose);
        }
        txn.create_dir(&snapshot, 0o700)?;
        txn.create_dir(&snapshot.child("fs")?, 0o755)?;
        txn.create_dir(&snapshot.child("work")?, 0o700)?;
        if has(txn, "removes-a-parent")
            && let Some(parent) = txn.parents().first()
        {
            txn.remove_tree(parent)?;
        }
        txn.put_state(LAST, Some(txn.key().as_bytes()))?;
        mount(txn, purpose)
    }

    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        // One value for all snapshots: the next one's takes its place.
        let last = txn.state(LAST)?;
        let is_lost = has(txn, "loses-state") && last.as_deref() != Some(txn.key().as_bytes());
        if is_lost || !txn.snapshot()?.exists() {
            return Err(Error::not_found(format!("there is no {}", txn.key())));
        }
        mount(txn, purpose)
    }

    fn commit<T: Txn>(txn: &T, name: &str) -> Result<()> {
        if has(txn, "commits-nothing") {
            return Ok(());
        }
        txn.rename(&txn.snapshot()?, &txn.snapshot_named(name)?)
    }

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        match has(txn, "wrong-usage") {
            true => Ok(Usage {
                bytes: 4096,
                inodes: 1,
            }),
            false => txn.snapshot()?.child("fs")?.usage(),
        }
    }

    fn gc<T: Txn>(txn: &T, live: &[String]) -> Result<()> {
        let mut after = None;
        // Fewer than a call may order; the host asks again.
        for _ in 0..4 {
            let names = txn.snapshots(after.as_deref(), 200)?;
            for name in &names {
                let is_live = live.contains(name) && !has(txn, "collects-all");
                if !is_live && !has(txn, "collects-nothing") {
                    txn.remove_tree(&txn.snapshot_named(name)?)?;
                }
            }
            after = names.last().cloned();
            if names.len() < 200 {
                break;
            }
        }
        Ok(())
    }
}

bulkhead_plugin_api::export_storage!(Broken);
