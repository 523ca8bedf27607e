//! A daemon that shares nothing with one the machine may have.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{process, workspace};

/// The first start compiles every plugin.
const START: Duration = Duration::from_secs(120);

pub(super) struct PrivateDaemon {
    child: Child,
    folder: PathBuf,
}

impl PrivateDaemon {
    pub(super) fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("bulkhead-demo-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let child = spawn(&folder)?;
        let mut daemon = PrivateDaemon { child, folder };
        daemon.wait_until_it_listens()?;
        Ok(daemon)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while UnixStream::connect(self.folder.join("socket")).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended with {status}\n{}", self.log());
            }
            ensure!(
                Instant::now() < deadline,
                "the daemon does not listen\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Runs `bulkhead` for the person who watches, and says how long it took.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<()> {
        eprintln!("\n$ bulkhead {}", arguments.join(" "));
        let mut command = Command::new(workspace::release_dir().join("bulkhead"));
        let host = format!("unix://{}", self.folder.join("socket").display());
        command
            .args(arguments)
            .env("DOCKER_HOST", &host)
            .env("BULKHEAD_HOST", host);
        let started = Instant::now();
        let child = process::spawn(&mut command)?;
        let status = process::wait(child, &process::shown(&command), Duration::from_secs(3600))?;
        eprintln!("[{:.0} ms]", started.elapsed().as_secs_f64() * 1e3);
        ensure!(
            status.success(),
            "bulkhead {}: {status}\n{}",
            arguments.join(" "),
            self.log()
        );
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(super) fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("end the daemon")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            ensure!(
                Instant::now() < deadline,
                "the daemon ignores SIGTERM\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn spawn(folder: &Path) -> Result<Child> {
    let release = workspace::release_dir();
    let log = File::create(folder.join("log")).context("create the daemon's log")?;
    let mut command = Command::new(release.join("bulkheadd"));
    command
        .arg("--data-root")
        .arg(folder.join("data"))
        .arg("--exec-root")
        .arg(folder.join("exec"))
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .arg("-H")
        .arg(format!("unix://{}", folder.join("socket").display()))
        .arg("--plugin-dir")
        .arg(release.join("plugins"))
        .arg("--component-cache")
        .arg(release.join("component-cache"))
        .args(["--bip", "10.212.0.1/24"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    process::spawn(&mut command)
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            process::kill_tree(self.child.id());
            let _ = self.child.wait();
        }
        // What can't be removed is found by the check for leaks.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
