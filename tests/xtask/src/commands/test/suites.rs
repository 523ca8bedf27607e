//! The tests, by what they need to run.

mod machine;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::report::Suite;
use crate::tally::Tally;
use crate::{cache, process, workspace};

const LIMIT: Duration = Duration::from_secs(3600);

/// The selection that shares every artifact with the binaries: wasmtime is
/// kept out of it (see `commands::build`).
const WITHOUT_WASMTIME: [&str; 5] = [
    "--workspace",
    "--exclude",
    "bulkhead-sandbox",
    "--exclude",
    "bulkhead-compiler",
];

pub(super) struct Suites {
    filter: Option<String>,
    /// Where tests that leave themselves out write their names.
    skipped: PathBuf,
}

impl Suites {
    pub(super) fn new(filter: Option<String>) -> Result<Self> {
        let skipped = workspace::target_dir().join("skipped-tests");
        std::fs::write(&skipped, "").with_context(|| format!("write {}", skipped.display()))?;
        Ok(Suites { filter, skipped })
    }

    /// Everything of the main workspace that does not link wasmtime.
    pub(super) fn workspace(&self) -> Result<Suite> {
        self.run(&WITHOUT_WASMTIME, None)
    }

    /// The runner and the compiler, each built as it ships.
    pub(super) fn sandbox(&self) -> Result<Suite> {
        let runner = self.run(&["-p", "bulkhead-sandbox"], None)?;
        let compiler = self.run(&["-p", "bulkhead-compiler"], None)?;
        Ok(both(runner, compiler))
    }

    /// What of the plugins is pure, built for this machine. Guests hold no tests.
    pub(super) fn plugins(&self) -> Result<Suite> {
        let manifest = workspace::root().join("plugins/Cargo.toml");
        self.run(&["--workspace"], Some(manifest))
    }

    /// Examples in documentation, which nextest does not run.
    pub(super) fn docs(&self) -> Result<Suite> {
        let mut cargo = workspace::cargo(&["test", "--release", "--doc"]);
        self.count(cargo.args(WITHOUT_WASMTIME))
    }

    /// Tests that said they were left out.
    pub(super) fn skipped(&self) -> usize {
        let text = std::fs::read_to_string(&self.skipped).unwrap_or_default();
        eprint!("{text}");
        text.lines().count()
    }

    fn run(&self, selection: &[&str], manifest: Option<PathBuf>) -> Result<Suite> {
        let nextest = process::installed("cargo-nextest");
        let mut cargo = match nextest {
            true => workspace::cargo(&["nextest", "run", "--no-tests=pass"]),
            false => workspace::cargo(&["test", "--no-fail-fast", "--lib", "--bins", "--tests"]),
        };
        cargo.arg("--release").args(selection);
        if let Some(manifest) = manifest {
            let target = workspace::target_dir().join("plugins-host");
            cargo
                .arg("--manifest-path")
                .arg(manifest)
                .arg("--target-dir")
                .arg(target);
            if nextest {
                // Its own settings are sought in the workspace's folder.
                cargo
                    .arg("--config-file")
                    .arg(workspace::root().join(".config/nextest.toml"));
            }
        }
        cargo.args(&self.filter);
        self.count(&mut cargo)
    }

    fn count(&self, command: &mut Command) -> Result<Suite> {
        command
            .env("BULKHEAD_BIN_DIR", workspace::release_dir())
            .env("BULKHEAD_CACHE", cache::dir()?)
            .env("BULKHEAD_SKIPPED", &self.skipped);
        let (status, lines) = process::tee(command, LIMIT)?;
        Ok(Suite {
            tally: Tally::of(&lines),
            ok: status.success(),
        })
    }
}

fn both(mut one: Suite, other: Suite) -> Suite {
    one.tally += other.tally;
    one.ok &= other.ok;
    one
}
