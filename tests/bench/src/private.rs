//! Namespaces and a tmpfs of our own, by util-linux and iproute2: a program
//! with threads can't enter them by itself.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

const ENTERED: &str = "BULKHEAD_BENCH_ENTERED";

/// A default route, since engines look for one to choose addresses by.
const SCRIPT: &str = "\
set -e
mount -t tmpfs -o mode=755 tmpfs \"$TMPDIR\"
ip link set lo up
ip link add uplink type veth peer name upstream
ip link set upstream up
ip addr add 192.0.2.1/24 dev uplink
ip link set uplink up
ip route add default via 192.0.2.2
\"$0\" \"$@\"
";

pub(crate) fn entered() -> bool {
    std::env::var_os(ENTERED).is_some()
}

/// Runs this program again inside. The pid namespace takes every process of
/// every contender with it when the program ends.
pub(crate) fn enter(arguments: &[String]) -> Result<()> {
    let program = std::env::current_exe().context("path of this program")?;
    let folder = tempfile::Builder::new()
        .prefix("bulkhead-bench-")
        .tempdir()
        .context("temporary folder")?;
    let status = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
            "sh",
            "-c",
            SCRIPT,
        ])
        .arg(program)
        .args(arguments)
        .env(ENTERED, "1")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .status()
        .context("start unshare")?;
    ensure!(status.success(), "the benchmarks ended with {status}");
    Ok(())
}
