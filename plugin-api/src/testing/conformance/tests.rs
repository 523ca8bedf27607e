//! The suite itself is tried on drivers that are right and on such that are
//! broken in one way each.

use super::*;
use crate::storage::{Access, Dir, Overlay, Purpose, Txn, Upper, Usage};
use crate::{Error, Result};

/// Overlay layers; `FLAW` says what is wrong with it.
struct Layered<const FLAW: u8>;

const NONE: u8 = 0;
const FORGETS_A_PARENT: u8 = 1;
const VIEW_IS_WRITABLE: u8 = 2;
const REMOVES_A_PARENT: u8 = 3;
const LOSES_STATE: u8 = 4;
const WRONG_USAGE: u8 = 5;
const COLLECTS_NOTHING: u8 = 6;
const COLLECTS_ALL: u8 = 7;
const COMMITS_NOTHING: u8 = 8;
const SWALLOWS_REFUSALS: u8 = 9;
const SHARES_THE_UPPER: u8 = 10;
const PREPARES_TWICE: u8 = 11;
const LIES_ABOUT_MISSING: u8 = 12;

impl<const FLAW: u8> Layered<FLAW> {
    fn mount<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let own = txn.snapshot()?.child("fs")?;
        let parents = txn.parents();
        let mut lower = parents
            .iter()
            .map(|p| p.child("fs"))
            .collect::<Result<Vec<_>>>()?;
        if FLAW == FORGETS_A_PARENT && lower.len() > 2 {
            lower.remove(1);
        }
        let access = match purpose {
            Purpose::View if FLAW != VIEW_IS_WRITABLE => Access::ReadOnly,
            _ => Access::ReadWrite,
        };
        if purpose == Purpose::Extract || lower.is_empty() {
            return txn.mount_bind(&own, access);
        }
        let work = txn.snapshot()?.child("work")?;
        let dir = match FLAW {
            SHARES_THE_UPPER => &lower.remove(0),
            _ => &own,
        };
        let upper = (access == Access::ReadWrite).then_some(Upper { dir, work: &work });
        txn.mount_overlay(Overlay {
            lower: &lower,
            upper,
            options: &[],
        })
    }
}

impl<const FLAW: u8> StorageDriver for Layered<FLAW> {
    const FEATURES: &'static [&'static str] = &[crate::storage::OVERLAY_LAYERS];

    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let snapshot = txn.snapshot()?;
        if FLAW == PREPARES_TWICE && snapshot.exists() {
            return Self::mount(txn, purpose);
        }
        txn.create_dir(&snapshot, 0o700)?;
        txn.create_dir(&snapshot.child("fs")?, 0o755)?;
        txn.create_dir(&snapshot.child("work")?, 0o700)?;
        if FLAW == LOSES_STATE {
            txn.put_state("last", Some(txn.key().as_bytes()))?;
        }
        if FLAW == REMOVES_A_PARENT
            && let Some(parent) = txn.parents().first()
        {
            txn.remove_tree(parent)?;
        }
        match Self::mount(txn, purpose) {
            Err(_) if FLAW == SWALLOWS_REFUSALS => Ok(()),
            mounted => mounted,
        }
    }

    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
        let lost =
            FLAW == LOSES_STATE && txn.state("last")?.as_deref() != Some(txn.key().as_bytes());
        let missing = FLAW != LIES_ABOUT_MISSING && !txn.snapshot()?.exists();
        match lost || missing {
            true => Err(Error::not_found(format!("there is no {}", txn.key()))),
            false => Self::mount(txn, purpose),
        }
    }

    fn commit<T: Txn>(txn: &T, name: &str) -> Result<()> {
        match FLAW {
            COMMITS_NOTHING => Ok(()),
            _ => txn.rename(&txn.snapshot()?, &txn.snapshot_named(name)?),
        }
    }

    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        match FLAW {
            WRONG_USAGE => Ok(Usage {
                bytes: 4096,
                inodes: 1,
            }),
            _ => txn.snapshot()?.child("fs")?.usage(),
        }
    }

    fn gc<T: Txn>(txn: &T, live: &[String]) -> Result<()> {
        for name in txn.snapshots(None, 500)? {
            let dead = !live.contains(&name);
            if FLAW == COLLECTS_ALL || (dead && FLAW != COLLECTS_NOTHING) {
                txn.remove_tree(&txn.snapshot_named(&name)?)?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_driver_that_is_right_passes_every_case() {
    check::<Layered<NONE>>(&[]);
}

#[test]
fn names_of_cases_are_unique() {
    let names: std::collections::BTreeSet<_> = cases().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().len());
}

fn found<const FLAW: u8>(name: &str) -> String {
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    let finding = run(&case, &Native::<Layered<FLAW>>::new(), &[]);
    finding.to_string()
}

/// Each flaw is found, in words that say what is wrong.
#[test]
fn each_flaw_is_found_and_told() {
    let told = [
        (
            found::<FORGETS_A_PARENT>("chain-64"),
            "chain-64: a run over 64 layers: expected the file layer-63, found no such file (every parent is part of the root, the nearest uppermost)",
        ),
        (
            found::<VIEW_IS_WRITABLE>("view-is-read-only"),
            "view-is-read-only: prepare of a view of view-0: expected it to be carried out, found invalid: a view is read-only (a view is of layers that others use)",
        ),
        (
            found::<REMOVES_A_PARENT>("chain-2"),
            "chain-2: prepare for a layer of extract-chain-2: expected it to be carried out, found denied: chain-1 is not this operation's to change (every parent is part of the root, the nearest uppermost)",
        ),
        (
            found::<LOSES_STATE>("remove-leaves-others"),
            "remove-leaves-others: mounts of one: expected it to be carried out, found not-found: there is no one (parents and siblings of a snapshot are used by others)",
        ),
        (
            found::<WRONG_USAGE>("usage-counts-what-is-written"),
            "usage-counts-what-is-written: usage after a write of 10000 bytes: expected 4096 and 10000 bytes more, found 4096 (sizes of containers are shown and limits are set by them)",
        ),
        (
            found::<COLLECTS_NOTHING>("gc-removes-what-is-not-alive"),
            "gc-removes-what-is-not-alive: gc with nothing alive: expected [] to be left, found [chain-1, chain-2, extract, run, view] (what a crash left behind takes the disk until gc removes it)",
        ),
        (
            found::<COLLECTS_ALL>("gc-keeps-what-is-alive"),
            "gc-keeps-what-is-alive: gc: expected it to be carried out, found denied: alive is not this operation's to change (gc runs at every start of the engine, over everybody's data)",
        ),
        (
            found::<COMMITS_NOTHING>("chain-1"),
            "chain-1: prepare for a container of run: expected it to be carried out, found overlay: chain-1/fs is not there (a container sees its image's only layer)",
        ),
        (
            found::<SWALLOWS_REFUSALS>("a-refused-order-is-an-error"),
            "a-refused-order-is-an-error: prepare with mount-overlay refused: expected an error, found ok (a driver that goes on after a refusal leaves half a snapshot)",
        ),
        (
            found::<SHARES_THE_UPPER>("writes-stay-in-the-container"),
            "writes-stay-in-the-container: prepare for a container of one: expected it to be carried out, found invalid: an overlay has 1 to 500 lower layers (containers of one image do not see each other's files)",
        ),
        (
            found::<PREPARES_TWICE>("prepare-twice-is-refused"),
            "prepare-twice-is-refused: prepare of a key that exists: expected an error, found it was carried out (the key names a snapshot that somebody uses)",
        ),
        (
            found::<LIES_ABOUT_MISSING>("mounts-of-nothing-is-not-found"),
            "mounts-of-nothing-is-not-found: mounts of a snapshot that does not exist: expected the code not-found, found ok (the host tells a snapshot that is gone by this code)",
        ),
    ];
    for (found, expected) in told {
        assert_eq!(found, expected);
    }
}
