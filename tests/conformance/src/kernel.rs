//! The second level: plans are carried out, mounts are made, files are real.
//!
//! Everything runs on a thread in a mount namespace of its own, so that what
//! is mounted goes with it, however a case ends.

mod bench;
mod cases;
mod layer;
mod place;
mod root;

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use bulkhead_plugin_api::testing::conformance::{Failure, Finding};

use crate::{Component, Options};
use bench::Bench;
use place::Place;

/// One case: a name, and why a driver must do so.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    run: fn(&Bench<'_>) -> Result<(), Failure>,
}

pub(crate) fn cases() -> Vec<Case> {
    cases::all()
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
    for case in cases().iter().filter(|case| options.wants(case.name)) {
        let started = Instant::now();
        // Each in a data root of its own: what one breaks is not the next one's.
        let folder = place.folder()?;
        let failure = Bench::open(component.driver(), folder.path())
            .and_then(|bench| {
                bench.probe()?;
                (case.run)(&bench)
            })
            .err();
        found(Finding {
            name: case.name,
            why: case.why,
            failure,
            took: started.elapsed(),
        });
    }
    Ok(())
}
