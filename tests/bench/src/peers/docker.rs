//! A private Docker daemon.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bulkhead_test_support::run;
use tempfile::TempDir;

use crate::measure::succeed;

pub(crate) struct Docker {
    child: Child,
    folder: TempDir,
}

impl Docker {
    pub(crate) fn start() -> Result<Self> {
        Self::start_in(&std::env::temp_dir())
    }

    /// One whose state is beneath `place`.
    pub(crate) fn start_in(place: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(place)?;
        let path = |name: &str| folder.path().join(name);
        let log = File::create(path("log"))?;
        let mut command = Command::new("dockerd");
        command
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(format!("unix://{}", path("socket").display()))
            .args(["--bip", "10.214.0.1/24"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("start dockerd")?;
        let docker = Docker { child, folder };
        docker.wait_until_it_answers()?;
        Ok(docker)
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while run(&mut self.command(&["version"]), Duration::from_secs(30)).status != Some(0) {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(Instant::now() < deadline, "dockerd does not answer\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        succeed(&mut self.command(arguments))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Its containers ended with their runs, and the namespaces take the rest.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
