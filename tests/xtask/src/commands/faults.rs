//! `cargo xtask faults [--images [--driver NAME]] [--rounds N] [--seed N]`.

use std::time::Duration;

use anyhow::Result;

use crate::commands::build;
use crate::{cache, process, workspace};

/// Some two rounds a second.
const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) fn run(args: &[String]) -> Result<()> {
    build::run()?;
    let package = ["run", "--quiet", "--release", "-p", "bulkhead-faults", "--"];
    let mut cargo = workspace::cargo(&package);
    cargo
        .args(args)
        .env("BULKHEAD_BIN_DIR", workspace::release_dir())
        .env("BULKHEAD_CACHE", cache::dir()?);
    process::run(&mut cargo, LIMIT)
}
