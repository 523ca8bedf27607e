//! A Docker daemon of one test, to exchange images with. It runs no
//! container: it has no bridge and touches no firewall.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::client::{self, Output};
use crate::leftovers;

const START: Duration = Duration::from_secs(90);
const CLIENT: Duration = Duration::from_secs(120);

/// A running Docker daemon, ended when dropped.
pub struct Dockerd {
    child: Child,
    folder: TempDir,
}

impl Dockerd {
    /// Starts it in a mount namespace of its own and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dockerd-test-")
            .tempdir()
            .expect("temporary folder");
        let child = spawn(folder.path());
        let dockerd = Self { child, folder };
        let deadline = Instant::now() + START;
        while dockerd.docker(&["version"]).status != Some(0) {
            let log = std::fs::read_to_string(dockerd.folder.path().join("log"));
            assert!(
                Instant::now() < deadline,
                "dockerd does not answer\n{}",
                log.unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        dockerd
    }

    /// Runs `docker` with `arguments`, for two minutes at most.
    #[track_caller]
    pub fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            .env("DOCKER_HOST", host(self.folder.path()))
            .env("DOCKER_CONFIG", self.folder.path().join("config"));
        client::run(&mut command, CLIENT)
    }
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

fn spawn(folder: &Path) -> Child {
    let log = File::create(folder.join("log")).expect("create the log");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--", "dockerd"])
        .arg("--data-root")
        .arg(folder.join("data"))
        .arg("--exec-root")
        .arg(folder.join("exec"))
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .args(["--host", &host(folder)])
        .args(["--bridge", "none", "--iptables=false"])
        .args(["--ip-forward=false", "--ip-masq=false"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("clone the log"))
        .stderr(log);
    command.spawn().expect("start dockerd")
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap_or_default();
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = self.child.wait();
        leftovers::sweep(self.folder.path());
    }
}
