//! What a hundred running containers cost beyond their own processes.

use anyhow::Result;
use bulkhead_test_support::{Daemon, Registry, images};

use super::memory::{name, named, usage};
use crate::Options;
use crate::measure::tree;
use crate::peers::Docker;

const CONTAINERS: u64 = 100;

pub(crate) fn run(_: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &images::busybox());
    let sleep = ["run", "--detach", &reference, "sleep", "600"];
    println!("{:<34} {:>12} {:>12}", "", "Pss MiB", "private MiB");
    {
        let daemon = Daemon::start();
        daemon
            .bulkhead(&["run", "--rm", &reference, "true"])
            .success();
        let before = held(daemon.pid(), "bulkhead-shim")?;
        for _ in 0..CONTAINERS {
            daemon.bulkhead(&sleep).success();
        }
        print(
            "bulkhead, each of 100 containers",
            before,
            held(daemon.pid(), "bulkhead-shim")?,
        );
    }
    let docker = Docker::start()?;
    docker.run(&["run", "--rm", &reference, "true"])?;
    let before = held(docker.pid(), "containerd-shim")?;
    for _ in 0..CONTAINERS {
        docker.run(&sleep)?;
    }
    print(
        "docker, each of 100 containers",
        before,
        held(docker.pid(), "containerd-shim")?,
    );
    let ids = docker.command(&["ps", "--quiet"]).output()?;
    let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
    let mut kill = vec!["kill"];
    kill.extend(ids.split_whitespace());
    docker.run(&kill)
}

/// Everything the engine holds, in kilobytes: its daemon with what that
/// started, and the shims; not the containers' processes.
fn held(daemon: u32, shim: &str) -> Result<(u64, u64)> {
    let mut pids: Vec<u32> = tree(&[daemon])
        .into_iter()
        .filter(|pid| !name(*pid).contains("busybox") && !name(*pid).contains(shim))
        .collect();
    pids.extend(named(shim)?);
    let used = pids.into_iter().map(usage);
    Ok(used.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

fn print(label: &str, before: (u64, u64), after: (u64, u64)) {
    let each =
        |before: u64, after: u64| after.saturating_sub(before) as f64 / 1024.0 / CONTAINERS as f64;
    println!(
        "{label:<34} {:>12.2} {:>12.2}",
        each(before.0, after.0),
        each(before.1, after.1)
    );
}
