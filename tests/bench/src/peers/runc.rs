//! runc on a bare bundle: an engine's work without the engine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::measure::succeed;

/// Its own, in every hierarchy: with an empty path runc 1.1 puts the memory
/// cgroup below the caller's.
const CGROUP: &str = "/bulkhead-bench-runc";

pub(crate) struct Bundle {
    folder: TempDir,
}

impl Bundle {
    /// A bundle of one layer that runs `true`.
    pub(crate) fn new(layer: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("rootfs");
        fs::create_dir(&root)?;
        let archive = folder.path().join("layer.tar");
        fs::write(&archive, layer)?;
        succeed(
            Command::new("tar")
                .arg("-C")
                .arg(&root)
                .arg("-xf")
                .arg(&archive),
        )?;
        succeed(Command::new("runc").arg("spec").current_dir(folder.path()))?;
        let bundle = Bundle { folder };
        bundle.settle()?;
        Ok(bundle)
    }

    fn settle(&self) -> Result<()> {
        let file = self.folder.path().join("config.json");
        let text = fs::read_to_string(&file).context("read the bundle's config.json")?;
        let mut config: Value = serde_json::from_str(&text)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["true"]);
        config["linux"]["cgroupsPath"] = json!(CGROUP);
        fs::write(&file, config.to_string()).context("write the bundle's config.json")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    pub(crate) fn run(&self) -> Result<()> {
        succeed(
            Command::new("runc")
                .args(["run", "bulkhead-bench"])
                .current_dir(self.folder.path()),
        )
    }
}
