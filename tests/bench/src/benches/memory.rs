//! What an idle engine holds, and what each container adds.

use std::fs;

use anyhow::{Context, Result};
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Options;
use crate::measure::tree;
use crate::peers::Docker;

pub(crate) fn run(_: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &images::busybox());
    let sleep = ["run", "--detach", &reference, "sleep", "600"];
    let daemon = Daemon::start();
    daemon.bulkhead(&sleep).success();
    let docker = Docker::start()?;
    docker.run(&sleep)?;
    println!("{:<34} {:>12} {:>12}", "", "Pss MiB", "private MiB");
    print(
        "bulkhead, daemon and runner",
        &tree(&[daemon.pid()]),
        |name| !name.contains("shim"),
    );
    print(
        "bulkhead, shim of one container",
        &named("bulkhead-shim")?,
        |_| true,
    );
    print(
        "docker, dockerd and containerd",
        &tree(&[docker.pid()]),
        |name| !name.contains("shim"),
    );
    print(
        "docker, shim of one container",
        &named("containerd-shim")?,
        |_| true,
    );
    docker.run(&["kill", docker_container(&docker).trim()])?;
    Ok(())
}

fn docker_container(docker: &Docker) -> String {
    let output = docker.command(&["ps", "--quiet"]).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn print(label: &str, pids: &[u32], wanted: impl Fn(&str) -> bool) {
    let counted = pids.iter().filter(|pid| wanted(&name(**pid)));
    let (pss, private) = counted
        .map(|pid| usage(*pid))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let mebibytes = |kilobytes: u64| kilobytes as f64 / 1024.0;
    println!(
        "{label:<34} {:>12.2} {:>12.2}",
        mebibytes(pss),
        mebibytes(private)
    );
}

/// Pss and Private_* of smaps_rollup, in kilobytes (proc_pid_smaps(5)).
pub(super) fn usage(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let sum = |prefix: &str| {
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        lines
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    (sum("Pss:"), sum("Private_"))
}

/// Every process of that program.
pub(super) fn named(program: &str) -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("list processes")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| name(*pid).contains(program)).collect())
}

/// The path of its program. Our shim's is that of a sealed memfd, and its
/// `comm` not its name.
pub(super) fn name(pid: u32) -> String {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    program.to_string_lossy().into_owned()
}
