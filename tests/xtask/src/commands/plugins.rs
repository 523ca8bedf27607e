//! `cargo xtask plugins`: every crate below `plugins` and `tests/guests` as a
//! component, beside the binaries.
//!
//! ```text
//! <target>/release/plugins/<name>/{plugin.wasm,plugin.toml}
//! <target>/release/guests/<name>/{plugin.wasm,plugin.toml}
//! ```
//!
//! Cargo decides what is out of date; a file is only replaced when it differs,
//! so that nothing downstream compiles a component again for its new date.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::toolchain::{TARGET, WasmToolchain};
use crate::workspace::{self, Package};

pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    let toolchain = WasmToolchain::find()?;
    eprintln!("components by {}", toolchain.describe());
    let mut count = 0;
    for (workspace, destination) in [("plugins", "plugins"), ("tests/guests", "guests")] {
        let manifest = workspace::root().join(workspace).join("Cargo.toml");
        if manifest.exists() {
            count += build(
                &toolchain,
                &manifest,
                &workspace::release_dir().join(destination),
            )?;
        }
    }
    eprintln!(
        "{count} components in {:.1} s",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

fn build(toolchain: &WasmToolchain, manifest: &Path, destination: &Path) -> Result<usize> {
    let target = workspace::target_dir().join("plugins-wasm");
    let mut cargo = workspace::cargo(&["build", "--release", "--workspace", "--manifest-path"]);
    cargo.arg(manifest).arg("--target-dir").arg(&target);
    if workspace::in_ci() {
        cargo.arg("--locked");
    }
    toolchain.apply(&mut cargo);
    process::run(&mut cargo, Duration::from_secs(1200))?;

    let artifacts = target.join(TARGET).join("release");
    let packages = workspace::packages(manifest)?;
    let components: Vec<&Package> = packages
        .iter()
        .filter(|package| package.cdylib.is_some())
        .collect();
    for package in &components {
        place(package, &artifacts, destination)?;
    }
    remove_others(&components, destination)?;
    Ok(components.len())
}

/// The folder's name is the plugin's name; the crate may be called otherwise.
fn name(package: &Package) -> Option<&str> {
    package.dir.file_name()?.to_str()
}

fn place(package: &Package, artifacts: &Path, destination: &Path) -> Result<()> {
    let name = name(package).context("a plugin's folder without a name")?;
    let library = package.cdylib.as_deref().unwrap_or_default();
    let folder = destination.join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    replace(
        &artifacts.join(library).with_extension("wasm"),
        &folder.join("plugin.wasm"),
    )?;
    let manifest = package.dir.join("plugin.toml");
    ensure!(manifest.exists(), "plugin {name} has no plugin.toml");
    replace(&manifest, &folder.join("plugin.toml"))
}

/// Written under another name first: a daemon may be reading the old one.
fn replace(source: &Path, destination: &Path) -> Result<()> {
    let new = std::fs::read(source).with_context(|| format!("read {}", source.display()))?;
    if std::fs::read(destination).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let part = destination.with_extension("part");
    std::fs::write(&part, new).with_context(|| format!("write {}", part.display()))?;
    std::fs::rename(&part, destination).with_context(|| format!("write {}", destination.display()))
}

/// A plugin that was renamed or removed must not be found by the next daemon.
fn remove_others(components: &[&Package], destination: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(destination) else {
        return Ok(());
    };
    let known: Vec<&str> = components
        .iter()
        .filter_map(|package| name(package))
        .collect();
    let stale: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_none_or(|name| !known.contains(&name))
        })
        .map(|entry| entry.path())
        .collect();
    for folder in stale {
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}
