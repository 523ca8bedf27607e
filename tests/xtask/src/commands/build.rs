//! `cargo xtask build`: plugins and every binary, in release.

use std::time::Duration;

use anyhow::Result;

use crate::commands::plugins;
use crate::{process, workspace};

/// Three invocations, since cargo gives every package of one invocation the
/// union of all features: built beside the compiler the runner's wasmtime
/// would hold a compiler too, and built beside the daemon it would be built a
/// second time. Each keeps its own artifacts, none throws the others' away.
const INVOCATIONS: [&[&str]; 3] = [
    &[
        "-p",
        "bulkhead-cli",
        "-p",
        "bulkhead-daemon",
        "-p",
        "bulkhead-shim",
        "-p",
        "bulkhead-conformance",
    ],
    &["-p", "bulkhead-sandbox"],
    &["-p", "bulkhead-compiler"],
];

pub(crate) fn run() -> Result<()> {
    plugins::run()?;
    for packages in INVOCATIONS {
        let mut cargo = workspace::cargo(&["build", "--release"]);
        cargo.args(packages);
        if workspace::in_ci() {
            cargo.arg("--locked");
        }
        process::run(&mut cargo, Duration::from_secs(2400))?;
    }
    Ok(())
}
