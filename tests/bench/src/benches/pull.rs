//! An image of five layers from a registry on the loopback address, each time
//! to a filesystem that is new.

use std::cell::RefCell;
use std::process::Command;

use anyhow::Result;
use bulkhead_test_support::{Compression, Daemon, Registry, images};

use crate::Options;
use crate::fresh::Fresh;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

/// Nothing but the registry's bytes, as a floor.
const SKOPEO: &str = "skopeo copy --quiet --src-tls-verify=false docker://$1 dir:$0/image";
const PODMAN: &str = "podman --root $0/root --runroot $0/run --storage-driver overlay \
    pull --quiet --tls-verify=false $1";
/// The storage drivers, and the filesystem that the data root is on.
const DRIVERS: [(&str, &str, &str); 4] = [
    ("bulkhead pull, overlay", "overlay", "ext4"),
    ("bulkhead pull, btrfs", "btrfs", "btrfs"),
    ("bulkhead pull, devmapper", "devmapper", "ext4"),
    ("bulkhead pull, vfs", "vfs", "ext4"),
];

/// Something with state, and the filesystem beneath.
struct Stage<T> {
    actor: T,
    /// Ends last.
    fresh: Fresh,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let image = images::five_layers();
    let gzip = registry.push("five:gzip", &image);
    let zstd = registry.push("five:zstd", &image.compression(Compression::Zstd));
    let mut contenders = vec![ours(DRIVERS[0], &gzip)?, docker(&gzip)?];
    contenders.push(program("podman pull", PODMAN, &gzip)?);
    contenders.push(program("skopeo copy, not unpacked", SKOPEO, &gzip)?);
    contenders.push(ours(
        ("bulkhead pull, overlay, zstd", "overlay", "ext4"),
        &zstd,
    )?);
    for other in &DRIVERS[1..] {
        contenders.push(ours(*other, &gzip)?);
    }
    table::print(&in_turn(contenders, options.runs.min(5))?);
    Ok(())
}

/// A daemon of ours, a new one for each run.
fn ours<'a>(
    (name, driver, filesystem): (&'static str, &'static str, &'static str),
    image: &'a str,
) -> Result<Contender<'a>> {
    let start = move |fresh: &Fresh| {
        let builder = Daemon::builder().storage_driver(driver);
        Ok(builder.inside(&fresh.path()).start())
    };
    let pull = |daemon: &Daemon| succeed(&mut daemon.bulkhead_command(&["pull", "--quiet", image]));
    on_stage(name, filesystem, start, pull, |daemon| vec![daemon.pid()])
}

fn docker(image: &str) -> Result<Contender<'_>> {
    let start = |fresh: &Fresh| Docker::start_in(&fresh.path());
    let pull = |docker: &Docker| docker.run(&["pull", "--quiet", image]);
    on_stage("docker pull", "ext4", start, pull, |docker| {
        vec![docker.pid()]
    })
}

/// A shell's line, given a new directory and the image.
fn program<'a>(name: &'static str, line: &'static str, image: &'a str) -> Result<Contender<'a>> {
    let start = |fresh: &Fresh| Ok(fresh.path());
    let pull = move |folder: &std::path::PathBuf| {
        let mut shell = Command::new("sh");
        succeed(shell.args(["-c", line]).arg(folder).arg(image))
    };
    on_stage(name, "ext4", start, pull, |_| Vec::new())
}

fn on_stage<'a, T: 'a>(
    name: &'static str,
    filesystem: &'static str,
    start: impl Fn(&Fresh) -> Result<T> + 'a,
    run: impl Fn(&T) -> Result<()> + 'a,
    servants: impl Fn(&T) -> Vec<u32> + 'a,
) -> Result<Contender<'a>> {
    let stage = move || {
        let fresh = Fresh::new(filesystem)?;
        let actor = start(&fresh)?;
        Ok::<_, anyhow::Error>(Stage { actor, fresh })
    };
    let current = std::rc::Rc::new(RefCell::new(Some(stage()?)));
    let (of_run, of_reset) = (current.clone(), current.clone());
    let contender = Contender::new(name, move || {
        of_run
            .borrow()
            .as_ref()
            .map_or(Ok(()), |stage| run(&stage.actor))
    })
    .reset_by(move || {
        if let Some(Stage { actor, fresh }) = of_reset.take() {
            drop(actor);
            drop(fresh);
        }
        of_reset.replace(Some(stage()?));
        Ok(())
    });
    Ok(contender.served_by_current(move || {
        current
            .borrow()
            .as_ref()
            .map_or_else(Vec::new, |stage| servants(&stage.actor))
    }))
}
