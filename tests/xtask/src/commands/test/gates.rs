//! What must hold of the source before a test runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{cache, process, workspace};

const LIMIT: Duration = Duration::from_secs(1800);

/// The workspaces beside the main one; they come with their own lock file.
pub(super) const SIDE_WORKSPACES: [&str; 2] = ["plugins", "tests/guests"];

/// Their manifests, as far as they are there.
pub(super) fn side_manifests() -> impl Iterator<Item = PathBuf> {
    let manifest = |dir| workspace::root().join(dir).join("Cargo.toml");
    SIDE_WORKSPACES
        .into_iter()
        .map(manifest)
        .filter(|manifest| manifest.exists())
}

pub(super) fn fmt() -> Result<()> {
    process::run(&mut workspace::cargo(&["fmt", "--all", "--check"]), LIMIT)?;
    for manifest in side_manifests() {
        let mut cargo = workspace::cargo(&["fmt", "--all", "--check", "--manifest-path"]);
        process::run(cargo.arg(manifest), LIMIT)?;
    }
    Ok(())
}

/// In release, to share build scripts and macros with the build. Guests are
/// checked for the host: what they import is the same there.
pub(super) fn clippy() -> Result<()> {
    let lints = ["--all-targets", "--", "-D", "warnings"];
    let mut cargo = workspace::cargo(&["clippy", "--release", "--workspace"]);
    process::run(cargo.args(lints), LIMIT)?;
    for manifest in side_manifests() {
        let mut cargo =
            workspace::cargo(&["clippy", "--release", "--workspace", "--manifest-path"]);
        cargo
            .arg(manifest)
            .arg("--target-dir")
            .arg(workspace::target_dir().join("plugins-host"));
        process::run(cargo.args(lints), LIMIT)?;
    }
    Ok(())
}

/// Licences, sources and banned crates of every workspace; advisories where
/// their database can be fetched.
pub(super) fn deny() -> Result<()> {
    let deny = cargo_deny()?;
    let main = workspace::root().join("Cargo.toml");
    for manifest in std::iter::once(main).chain(side_manifests()) {
        let check = |what: &[&str]| {
            let mut command = Command::new(&deny);
            command
                .args(["--log-level", "error", "--config"])
                .arg(workspace::root().join(".cargo/deny.toml"))
                .arg("--manifest-path")
                .arg(&manifest)
                .arg("check")
                .args(what);
            command
        };
        process::run(
            &mut check(&["bans", "licenses", "sources"]),
            Duration::from_secs(300),
        )?;
        advisories(&mut check(&["advisories"]))?;
    }
    Ok(())
}

/// An advisory fails; a database out of reach is only said.
fn advisories(command: &mut Command) -> Result<()> {
    let output = process::output(command, Duration::from_secs(120))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(());
    }
    let unreachable = [
        "failed to fetch",
        "unable to fetch",
        "failed to update",
        "error sending request",
    ];
    if unreachable.iter().any(|reason| printed.contains(reason)) {
        eprintln!("advisories not checked: their database can't be fetched");
        return Ok(());
    }
    anyhow::bail!("{}\n{printed}", process::shown(command))
}

/// cargo-deny: installed, or from the cache, or built into it.
fn cargo_deny() -> Result<PathBuf> {
    if process::installed("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let root = cache::dir()?.join("tools");
    let program = root.join("bin/cargo-deny");
    if !program.exists() {
        let mut cargo = workspace::cargo(&[
            "install",
            "--quiet",
            "--locked",
            "cargo-deny",
            "--version",
            "0.20.2",
        ]);
        cargo
            .arg("--root")
            .arg(&root)
            .arg("--target-dir")
            .arg(root.join("target"));
        // For the machine's own use: a quick build serves it better than a fast program.
        cargo
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off");
        process::run(&mut cargo, LIMIT).context("install cargo-deny")?;
        // What was only needed to build it.
        let _ = std::fs::remove_dir_all(root.join("target"));
    }
    Ok(program)
}
