//! One start of a machine whose power was cut: what was acknowledged must be
//! there and whole, what was not is there as a whole or not at all. Then one
//! more operation, in which, or right after which, the power is cut again.
//!
//! ```text
//! share/acked/NAME      an operation that was answered
//! share/checked/NAME    and found whole after the cut
//! share/files-N         files with their sums, share/NAME.tar, share/layouts/NAME
//! share/cut             made when the power is to go
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bulkhead_test_support::{Image, Output, Tree, binary, images, release_dir};

use crate::random::Random;

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
    for folder in ["acked", "checked", "layouts"] {
        fs::create_dir_all(share.join(folder))?;
    }
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
    machine.look(cut == Cut::Never)?;
    if cut == Cut::Never {
        return machine.stop();
    }
    let (operation, number) = next;
    let name = format!("{}-{number}", operation.name());
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
    fs::write(&lasted, begun.elapsed().as_millis().to_string())?;
    fs::create_dir(share.join("acked").join(&name))?;
    fs::write(share.join("cut"), "")?;
    // The power goes here.
    std::thread::sleep(LIMIT);
    bail!("the power was not cut")
}

impl Machine {
    fn start(share: &Path, disk: &Path, driver: &str) -> Result<Self> {
        let socket = "/run/bulkhead-power.sock".to_owned();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(share.join("log"))?;
        let daemon = Command::new(binary("bulkheadd"))
            .arg("--data-root")
            .arg(disk.join("data"))
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

    fn carry_out(&self, operation: Operation, name: &str) -> Result<()> {
        let files = format!("{}:/src:ro", self.share.join("files").display());
        let run = ["run", "--network", "none", "-v", &files];
        match operation {
            Operation::Pull => self.pull(name)?,
            Operation::Load => {
                let archive = self.share.join("load.tar");
                self.must(&["load", "-q", "-i", &archive.display().to_string()])?;
            }
            Operation::Commit => {
                let copy = [
                    &run[..],
                    &["--name", name, BASE, "cp", "-r", "/src", "/data"],
                ];
                self.must(&copy.concat())?;
                self.must(&["commit", name, &format!("{name}:latest")])?;
            }
            Operation::Volume => {
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

    /// Compares what there is with what was answered.
    fn look(&self, all: bool) -> Result<()> {
        let images = self.names(&["images", "--format", "{{.Repository}}"])?;
        let volumes = self.names(&["volume", "ls", "-q"])?;
        for entry in fs::read_dir(self.share.join("acked"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let there = images.contains(&name) || volumes.contains(&name);
            ensure!(there, "LOST: {name} was answered and is not there");
        }
        for name in images.iter().filter(|name| *name != BASE) {
            if all || !self.is_checked(name) {
                self.whole(name, &[], "/data")?;
            }
        }
        for name in &volumes {
            if all || !self.is_checked(name) {
                self.whole(BASE, &["-v", &format!("{name}:/v")], "/v")
                    .or_else(|error| self.never_answered(name, error))?;
            }
        }
        let check = self.bulkhead(&["system", "check"]);
        ensure!(check.status == Some(0), "system check: {check:?}");
        print!("{}", check.stdout);
        for name in images.iter().chain(&volumes) {
            fs::create_dir_all(self.share.join("checked").join(name))?;
        }
        Ok(())
    }

    fn is_checked(&self, name: &str) -> bool {
        self.share.join("checked").join(name).exists()
    }

    fn whole(&self, image: &str, options: &[&str], folder: &str) -> Result<()> {
        let script = format!("cd {folder} && test $(wc -l < SUMS) = {FILES} && sha256sum -cs SUMS");
        let run = ["run", "--rm", "--network", "none"];
        let command = [image, "sh", "-c", &script];
        self.must(&[&run[..], options, &command].concat())
            .with_context(|| format!("NOT WHOLE: {image} {options:?}"))
            .map(drop)
    }

    /// A restore that was cut off left nothing; what a container was writing
    /// may be there in part.
    fn never_answered(&self, name: &str, error: anyhow::Error) -> Result<()> {
        if self.share.join("acked").join(name).exists() {
            return Err(error);
        }
        if !name.starts_with(Operation::Restore.name()) {
            return Ok(());
        }
        let volume = format!("{name}:/v");
        let list = [
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            &volume,
            BASE,
            "ls",
            "-A",
            "/v",
        ];
        let left = self.must(&list)?;
        ensure!(
            left.is_empty(),
            "HALF MADE: {name} has {} files",
            left.lines().count()
        );
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.daemon.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        self.daemon.wait()?;
        Ok(())
    }
}
