//! What it takes to give a container its root filesystem: the driver's
//! decision, its steps and the mount, beside the bare system calls. Taking it
//! away is not timed: nobody waits for it.

mod bare;
mod scene;

use anyhow::{Context, Result};
use bulkhead_conformance::Component;
use bulkhead_test_support::release_dir;

use crate::Options;
use crate::measure::{Contender, in_turn};
use crate::table;
use bare::Bare;
use scene::Scene;

const RUNS: usize = 100;
const DEPTHS: [usize; 2] = [1, 60];
const DRIVERS: [&str; 3] = ["overlay", "btrfs", "devmapper"];

pub(crate) fn run(_: &Options) -> Result<()> {
    for name in DRIVERS {
        let wasm = release_dir().join(format!("plugins/storage-{name}/plugin.wasm"));
        let component = Component::open(&wasm, None, &[], &release_dir())?;
        for depth in DEPTHS {
            println!("{name} over {depth} layers");
            compare(&component, depth)?;
        }
    }
    Ok(())
}

fn compare(component: &Component, depth: usize) -> Result<()> {
    // In memory: what is measured is the work, not the disk.
    let folder = tempfile::Builder::new()
        .prefix("rootfs-")
        .tempdir_in("/dev/shm")
        .context("a folder in memory")?;
    let mut scene = Scene::open(component.driver(), folder.path(), depth)?;
    let bare = Bare::of(&scene)?;
    let shared = std::cell::RefCell::new(&mut scene);
    let driver = Contender::new("prepare and mount", || shared.borrow_mut().prepare())
        .reset_by(|| shared.borrow_mut().remove());
    let mounted = std::cell::RefCell::new(bare);
    let mut contenders = Vec::new();
    if mounted.borrow().is_some() {
        let run = || mounted.borrow_mut().as_mut().map_or(Ok(()), Bare::mount);
        let reset = || mounted.borrow_mut().as_mut().map_or(Ok(()), Bare::unmount);
        contenders.push(Contender::new("bare calls", run).reset_by(reset));
    }
    contenders.push(driver);
    table::print(&in_turn(contenders, RUNS)?);
    Ok(())
}
