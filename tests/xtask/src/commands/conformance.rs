//! `cargo xtask conformance [OPTIONS]`: every storage driver of ours through
//! the whole suite, with figures.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::commands::build;
use crate::{process, workspace};

const LIMIT: Duration = Duration::from_secs(1800);

pub(crate) fn run(args: &[String]) -> Result<()> {
    build::run()?;
    let program = workspace::release_dir().join("bulkhead-conformance");
    let mut suite = Command::new(program);
    suite.arg("--quiet").args(args).args(drivers()?);
    process::run(&mut suite, LIMIT)
}

/// The components of all storage drivers, by name.
fn drivers() -> Result<Vec<PathBuf>> {
    let folder = workspace::release_dir().join("plugins");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let is_storage = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("storage-"))
    };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(is_storage);
    folders.sort();
    Ok(folders.iter().map(|dir| dir.join("plugin.wasm")).collect())
}
