//! Where things are: the checkout, the target directory, the packages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The checkout that `cargo xtask` was called in. Checkouts that share a
/// target directory share this binary, so what it was built from counts only
/// when cargo does not say.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    here.ancestors().nth(2).unwrap_or(&here).to_path_buf()
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, or `target` in the checkout.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Where release binaries, plugins and guests end up.
pub(crate) fn release_dir() -> PathBuf {
    target_dir().join("release")
}

/// Whether this runs where nobody watches: then a skipped test is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// A cargo command in the checkout, on the same cargo that runs us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root());
    command
}

/// One package as `cargo metadata` tells it.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder that holds its Cargo.toml.
    pub(crate) dir: PathBuf,
    /// Packages of the same checkout it depends on, outside of tests.
    pub(crate) ours: Vec<String>,
    /// Packages from elsewhere it depends on, outside of tests.
    pub(crate) others: Vec<String>,
    /// The library's file stem when it is a `cdylib`.
    pub(crate) cdylib: Option<String>,
}

/// The packages of the workspace whose Cargo.toml is `manifest`.
pub(crate) fn packages(manifest: &Path) -> Result<Vec<Package>> {
    let mut command = cargo(&[
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--manifest-path",
    ]);
    let text = process::stdout_of(command.arg(manifest), Duration::from_secs(120))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let listed = metadata["packages"]
        .as_array()
        .context("cargo metadata: no packages")?;
    listed.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let name = value["name"].as_str().context("a package without a name")?;
    let manifest = value["manifest_path"]
        .as_str()
        .context("a package without a manifest")?;
    let dir = Path::new(manifest)
        .parent()
        .context("a manifest without a folder")?;
    let dependencies = value["dependencies"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Ok(Package {
        name: name.to_owned(),
        dir: dir.to_path_buf(),
        ours: shipped(dependencies, true),
        others: shipped(dependencies, false),
        cdylib: cdylib(value),
    })
}

/// Dependencies that are not only for tests or build scripts; ours are those
/// given by a path.
fn shipped(dependencies: &[Value], ours: bool) -> Vec<String> {
    dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string() == ours)
        .filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned()))
        .collect()
}

fn cdylib(package: &Value) -> Option<String> {
    let targets = package["targets"].as_array()?;
    let is_cdylib = |target: &&Value| {
        target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
    };
    let name = targets.iter().find(is_cdylib)?["name"].as_str()?;
    Some(name.replace('-', "_"))
}
