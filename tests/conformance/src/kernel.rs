//! The second level: plans are carried out, mounts are made, files are real.
//!
//! Everything runs on a thread in a mount namespace of its own, so that what
//! is mounted goes with it, however a case ends.

mod bench;
mod cases;
mod layer;
mod place;
mod root;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use bulkhead_plugin_api::testing::conformance::{Failure, Finding};

use crate::{Component, Options};
use bench::Bench;
use place::Place;
use tempfile::TempDir;

/// One case: a name, and why a driver must do so.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    run: fn(&Bench<'_>) -> Result<(), Failure>,
}

/// What a case leaves in its data root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Layers that the next case builds on.
    Layers,
    /// Snapshots that garbage collection takes away.
    Garbage,
    /// What no driver can take away.
    Damage,
}

pub(crate) fn cases() -> Vec<Case> {
    cases::all().into_iter().map(|(_, case)| case).collect()
}

pub(crate) fn run(
    component: &Component,
    options: &Options,
    found: &mut (dyn FnMut(Finding) + Send),
) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the second level mounts and makes devices, for which it needs root"
    );
    std::thread::scope(|scope| {
        let run = || {
            bulkhead_sys::mount::private_namespace()?;
            let place = Place::make(options.dir.as_deref())?;
            run_here(component, options, &place, found)
        };
        let thread = std::thread::Builder::new().name("conformance".into());
        let thread = thread.spawn_scoped(scope, run).context("start a thread")?;
        thread.join().map_err(|_| anyhow!("the suite panicked"))?
    })
}

fn run_here(
    component: &Component,
    options: &Options,
    place: &Place,
    found: &mut (dyn FnMut(Finding) + Send),
) -> Result<()> {
    let mut shared: Option<TempDir> = None;
    let wanted = cases::all().into_iter();
    for (leaves, case) in wanted.filter(|(_, case)| options.wants(case.name)) {
        let started = Instant::now();
        // A pool takes longer to make than most cases take: they share one
        // data root until something in it is spoilt.
        let folder = match shared.take() {
            Some(folder) => folder,
            None => place.folder()?,
        };
        let outcome = run_in(&case, leaves, component, folder.path());
        if outcome.is_ok() && leaves != Leaves::Damage {
            shared = Some(folder);
        }
        found(Finding {
            name: case.name,
            why: case.why,
            failure: outcome.err(),
            took: started.elapsed(),
        });
    }
    Ok(())
}

fn run_in(
    case: &Case,
    leaves: Leaves,
    component: &Component,
    folder: &Path,
) -> Result<(), Failure> {
    let bench = Bench::open(component.driver(), folder)?;
    bench.probe()?;
    if leaves != Leaves::Layers {
        bench.collect(&[])?;
    }
    (case.run)(&bench)
}
