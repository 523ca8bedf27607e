//! A hundred images that go, a container of many files that becomes an image,
//! and a store of a thousand images that is opened.

mod opening;

use anyhow::Result;
use bulkhead_test_support::{Daemon, Image, Tree, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

/// Images that are removed together.
const COUNT: usize = 100;
/// Files that a container makes, in directories of a hundred.
const FILL: &str = "for d in $(seq 100); do mkdir /d$d; for f in $(seq 100); do \
    echo $d $f > /d$d/$f; done; done";

pub(crate) fn run(options: &Options) -> Result<()> {
    let runs = options.runs.min(5);
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    removal(&daemon, &docker, runs)?;
    commit(&daemon, &docker, runs)?;
    opening::run(runs)
}

fn removal(daemon: &Daemon, docker: &Docker, runs: usize) -> Result<()> {
    let names: Vec<String> = (0..COUNT).map(|number| format!("many:{number}")).collect();
    let all: Vec<_> = names
        .iter()
        .map(|name| (name.clone(), small(name)))
        .collect();
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("many.tar").display().to_string();
    std::fs::write(&archive, Image::docker_archive_of(&all))?;
    let load = ["load", "--quiet", "--input", &archive];
    let rmi: Vec<&str> = ["rmi"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let prune = ["image", "prune", "--all", "--force"];
    let ours = |arguments: &[&str]| succeed(&mut daemon.bulkhead_command(arguments));
    for (what, gone) in [
        (["bulkhead rmi of 100", "docker rmi of 100"], rmi.as_slice()),
        (["bulkhead prune of 100", "docker prune of 100"], &prune),
    ] {
        ours(&load)?;
        docker.run(&load)?;
        let contenders = vec![
            Contender::new(what[0], || ours(gone))
                .reset_by(|| ours(&load))
                .served_by(vec![daemon.pid()]),
            Contender::new(what[1], || docker.run(gone))
                .reset_by(|| docker.run(&load))
                .served_by(vec![docker.pid()]),
        ];
        table::print(&in_turn(contenders, runs)?);
        ours(gone)?;
        docker.run(gone)?;
    }
    Ok(())
}

/// An image that shares nothing with others.
fn small(name: &str) -> Image {
    let layer = Tree::new().dir("etc", 0o755);
    Image::new(Vec::new()).layer(layer.file("etc/name", 0o644, name.as_bytes()))
}

fn commit(daemon: &Daemon, docker: &Docker, runs: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("busybox.tar").display().to_string();
    std::fs::write(&archive, images::busybox().docker_archive("busybox:bench"))?;
    let ours = |arguments: &[&str]| succeed(&mut daemon.bulkhead_command(arguments));
    for arguments in [
        ["load", "--quiet", "--input", &archive].as_slice(),
        &[
            "run",
            "--name",
            "filled",
            "--network",
            "none",
            "busybox:bench",
            "sh",
            "-c",
            FILL,
        ],
    ] {
        ours(arguments)?;
        docker.run(arguments)?;
    }
    let (commit, remove) = (
        ["commit", "filled", "filled:bench"],
        ["rmi", "filled:bench"],
    );
    let contenders = vec![
        Contender::new("bulkhead commit of 10,000 files", || ours(&commit))
            .reset_by(|| ours(&remove))
            .served_by(vec![daemon.pid()]),
        Contender::new("docker commit of 10,000 files", || docker.run(&commit))
            .reset_by(|| docker.run(&remove))
            .served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(contenders, runs)?);
    Ok(())
}
