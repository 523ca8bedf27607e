//! One start of a machine whose power was cut: what was acknowledged must be
//! there and whole, what was not is there as a whole or not at all. Then one
//! more operation, in which, or right after which, the power is cut again.
//!
//! ```text
//! share/begun/NAME      an operation
//! share/acked/NAME      it was answered
//! share/found/NAME      what was found of it after the cut ([`Found`])
//! share/files-N         files with their sums, share/NAME.tar, share/layouts/NAME
//! share/cut             made when the power is to go
//! ```

mod look;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bulkhead_test_support::{Image, Output, Tree, binary, images, release_dir};

use crate::random::Random;

pub use look::Found;

/// Files in each image and volume.
const FILES: u64 = 300;
/// Emulated machines are slow.
const LIMIT: Duration = Duration::from_secs(240);
const BASE: &str = "base";

/// What is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `pull` of an OCI layout.
    Pull,
    /// `load` of an archive.
    Load,
    /// `commit` of a container that copied files.
    Commit,
    /// Files written to a volume by a container that then says `sync`.
    Volume,
    /// `volume restore`
    Restore,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pull,
        Self::Load,
        Self::Commit,
        Self::Volume,
        Self::Restore,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Load => "load",
            Self::Commit => "commit",
            Self::Volume => "volume",
            Self::Restore => "restore",
        }
    }
}

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// As soon as the operation was answered.
    After,
    /// At a random moment before.
    Before,
    /// Not at all: everything is looked at once more.
    Never,
}

/// Makes the files of operation `number`, on the host.
pub fn prepare(share: &Path, operation: Operation, number: u64) -> Result<()> {
    let name = format!("{}-{number}", operation.name());
    for folder in ["begun", "acked", "found", "layouts"] {
        fs::create_dir_all(share.join(folder))?;
    }
    fs::create_dir(share.join("begun").join(&name))?;
    let base = share.join("layouts").join(BASE);
    if !base.exists() {
        images::busybox().write_layout(&base, "latest");
    }
    let files = share.join("files");
    let _ = fs::remove_dir_all(&files);
    fs::create_dir_all(&files)?;
    let mut random = Random::new(number ^ 0x5eed);
    let mut tree = Tree::new().dir("data", 0o755);
    for index in 0..FILES {
        let words = 16 + random.below(1000);
        let bytes: Vec<u8> = (0..words)
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        let file = format!("f{index}");
        fs::write(files.join(&file), &bytes)?;
        tree = tree.file(&format!("data/{file}"), 0o644, &bytes);
    }
    let sums = Command::new("sh")
        .args(["-c", "sha256sum f*"])
        .current_dir(&files)
        .output()?;
    ensure!(sums.status.success(), "sha256sum failed");
    fs::write(files.join("SUMS"), &sums.stdout)?;
    let tree = tree.file("data/SUMS", 0o644, &sums.stdout);
    let image: Image = images::busybox().layer(tree);
    match operation {
        Operation::Pull => image.write_layout(&share.join("layouts").join(&name), "latest"),
        Operation::Load => fs::write(
            share.join("load.tar"),
            image.docker_archive(&format!("{name}:latest")),
        )?,
        Operation::Restore => {
            let tar = Command::new("tar")
                .arg("cf")
                .arg(share.join("restore.tar"))
                .args(["-C", "files", "."])
                .current_dir(share)
                .status()?;
            ensure!(tar.success(), "tar failed");
        }
        Operation::Commit | Operation::Volume => {}
    }
    Ok(())
}

/// A daemon on the disk that survives.
struct Machine {
    daemon: Child,
    driver: String,
    /// Holds the data root.
    folder: PathBuf,
    share: PathBuf,
    socket: String,
}

/// What is found after a cut, and the next operation.
pub fn step(
    share: &Path,
    disk: &Path,
    driver: &str,
    next: (Operation, u64),
    cut: Cut,
) -> Result<()> {
    let machine = Machine::start(share, disk, driver)?;
    if machine
        .names(&["images", "--format", "{{.Repository}}"])?
        .is_empty()
    {
        machine.pull(BASE)?;
    }
    if cut == Cut::Never {
        machine.look("", true)?;
        return machine.stop();
    }
    let (operation, number) = next;
    let name = format!("{}-{number}", operation.name());
    machine.look(&name, false)?;
    machine.make_ready(operation, &name)?;
    let lasted = share.join(format!("lasted-{}", operation.name()));
    let begun = Instant::now();
    if cut == Cut::Before {
        let most: u64 = fs::read_to_string(&lasted)
            .ok()
            .and_then(|t| t.parse().ok())
            .unwrap_or(1000);
        let pause = Random::new(number).below(most.max(1));
        let flag = share.join("cut");
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(pause));
            let _ = fs::write(flag, "");
        });
    }
    machine.carry_out(operation, &name)?;
    write_through(&lasted, &begun.elapsed().as_millis().to_string())?;
    fs::create_dir(share.join("acked").join(&name))?;
    fs::write(share.join("cut"), "")?;
    // The power goes here.
    std::thread::sleep(LIMIT);
    bail!("the power was not cut")
}

/// What is only in the machine's memory goes with the power, on the shared
/// folder, too.
fn write_through(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

impl Machine {
    fn start(share: &Path, disk: &Path, driver: &str) -> Result<Self> {
        let socket = "/run/bulkhead-power.sock".to_owned();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(share.join("log"))?;
        // Not the disk itself: its mount is none of the daemon's.
        let folder = disk.join("bulkhead");
        fs::create_dir_all(&folder)?;
        let daemon = Command::new(binary("bulkheadd"))
            .arg("--data-root")
            .arg(folder.join("data"))
            .args(["--exec-root", "/run/bulkhead-power"])
            .args(["-H", &format!("unix://{socket}")])
            .arg("--plugin-dir")
            .arg(release_dir().join("plugins"))
            .arg("--component-cache")
            .arg(share.join("components"))
            .args(["--storage-driver", driver])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start bulkheadd")?;
        let machine = Self {
            daemon,
            driver: driver.to_owned(),
            folder,
            share: share.to_owned(),
            socket,
        };
        let deadline = Instant::now() + LIMIT;
        while machine.bulkhead(&["version"]).status != Some(0) {
            ensure!(Instant::now() < deadline, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(machine)
    }

    fn bulkhead(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("bulkhead"));
        command
            .args(["-H", &format!("unix://{}", self.socket)])
            .args(arguments);
        bulkhead_test_support::run(&mut command, LIMIT)
    }

    fn must(&self, arguments: &[&str]) -> Result<String> {
        let output = self.bulkhead(arguments);
        ensure!(output.status == Some(0), "{arguments:?}: {output:?}");
        Ok(output.stdout)
    }

    fn names(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let text = self.must(arguments)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn pull(&self, name: &str) -> Result<()> {
        let layout = self.share.join("layouts").join(name);
        let source = format!("oci-layout:{}:latest", layout.display());
        let id = self.must(&["pull", "-q", &source])?;
        // The name is the layout's; ours is another.
        let id = id.trim();
        if !self
            .names(&["images", "--format", "{{.Repository}}"])?
            .iter()
            .any(|n| n == name)
        {
            self.must(&["tag", id, &format!("{name}:latest")])?;
        }
        Ok(())
    }

    /// What is not the operation itself, and may take longer.
    fn make_ready(&self, operation: Operation, name: &str) -> Result<()> {
        if operation != Operation::Commit {
            return Ok(());
        }
        let files = format!("{}:/src:ro", self.share.join("files").display());
        let run = ["run", "--network", "none", "-v", &files, "--name", name];
        let copy = [BASE, "cp", "-r", "/src", "/data"];
        self.must(&[&run[..], &copy].concat()).map(drop)
    }

    fn carry_out(&self, operation: Operation, name: &str) -> Result<()> {
        match operation {
            Operation::Pull => self.pull(name)?,
            Operation::Load => {
                let archive = self.share.join("load.tar");
                self.must(&["load", "-q", "-i", &archive.display().to_string()])?;
            }
            Operation::Commit => {
                self.must(&["commit", name, &format!("{name}:latest")])?;
            }
            Operation::Volume => {
                let files = format!("{}:/src:ro", self.share.join("files").display());
                let run = ["run", "--network", "none", "-v", &files];
                let volume = format!("{name}:/v");
                let write = ["--rm", "-v", &volume, BASE, "sh", "-c"];
                let script = "cp /src/f* /v && cp /src/SUMS /v && sync";
                self.must(&[&run[..], &write, &[script]].concat())?;
            }
            Operation::Restore => {
                let archive = self.share.join("restore.tar").display().to_string();
                self.must(&["volume", "restore", "-i", &archive, name])?;
            }
        }
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.daemon.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        self.daemon.wait()?;
        Ok(())
    }
}
