//! runc on a bare bundle: an engine's work without the engine.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::measure::succeed;

/// Its own, in every hierarchy: with an empty path runc 1.1 puts the memory
/// cgroup below the caller's.
const CGROUP: &str = "/bulkhead-bench-runc";

const NAME: &str = "bulkhead-bench";

pub(crate) struct Bundle {
    folder: TempDir,
}

/// A container of the bundle that sleeps. Dropping it ends it.
pub(crate) struct Sleeping(#[expect(dead_code, reason = "keeps the folder")] Bundle);

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
        bundle.settle(&["true"])?;
        Ok(bundle)
    }

    fn settle(&self, arguments: &[&str]) -> Result<()> {
        let file = self.folder.path().join("config.json");
        let text = fs::read_to_string(&file).context("read the bundle's config.json")?;
        let mut config: Value = serde_json::from_str(&text)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(arguments);
        config["linux"]["cgroupsPath"] = json!(CGROUP);
        fs::write(&file, config.to_string()).context("write the bundle's config.json")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    pub(crate) fn run(&self) -> Result<()> {
        succeed(
            Command::new("runc")
                .args(["run", NAME])
                .current_dir(self.folder.path()),
        )
    }

    /// Starts a container that sleeps.
    pub(crate) fn started(self) -> Result<Sleeping> {
        self.settle(&["sleep", "3600"])?;
        let mut command = Command::new("runc");
        command
            .args(["run", "--detach", NAME])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let status = command.status().context("start runc")?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(Sleeping(self))
    }
}

impl Sleeping {
    /// Runs `true` in it.
    pub(crate) fn exec(&self) -> Result<()> {
        succeed(Command::new("runc").args(["exec", NAME, "true"]))
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let _ = Command::new("runc")
            .args(["delete", "--force", NAME])
            .status();
    }
}
