//! A throw-away machine with Debian's kernel and pure cgroup v2, for what the
//! kernel at hand does not have. Its userland is the host's, read-only.
//!
//! ```text
//! host: qemu ── 9p, ro ── /            initramfs: busybox, modules, init, command
//!            ── 9p, rw ── --share      serial 1: console, 2: the command's output, 3: its status
//! ```
//!
//! Emulated in software: it runs where no /dev/kvm does, about ten times slower.

mod initramfs;
mod kernel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::packages::{self, Need};
use crate::{cache, process};

/// What to run and what it may see.
pub(crate) struct Machine {
    /// A shell command, run as root.
    pub(crate) command: String,
    /// A folder of the host, writable at `/share`.
    pub(crate) share: Option<PathBuf>,
    /// Raw images, as /dev/vda and on.
    pub(crate) disks: Vec<PathBuf>,
    /// The power is cut as soon as this file appears on the host.
    pub(crate) power_cut: Option<PathBuf>,
    pub(crate) limit: Duration,
}

/// How a machine ended.
pub(crate) enum Outcome {
    /// The command's output and exit status.
    Ended {
        output: String,
        status: i32,
    },
    PowerCut,
}

const NEEDS: [Need; 4] = [
    Need {
        file: "qemu-system-x86_64",
        package: "qemu-system-x86",
    },
    Need {
        file: "busybox",
        package: "busybox-static",
    },
    Need {
        file: "depmod",
        package: "kmod",
    },
    Need {
        file: "cpio",
        package: "cpio",
    },
];

impl Machine {
    /// Boots, runs the command, and gives everything back.
    pub(crate) fn run(&self) -> Result<Outcome> {
        packages::install(&NEEDS)?;
        let kernel = kernel::find()?;
        let folder = Folder::create()?;
        initramfs::write(&kernel, &self.command, &folder.0)?;
        let child = self.boot(&kernel, &folder.0)?;
        match self.attend(child)? {
            true => outcome(&folder.0),
            false => Ok(Outcome::PowerCut),
        }
    }

    fn boot(&self, kernel: &kernel::Kernel, folder: &Path) -> Result<Child> {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .args([
            "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "2048", "-smp", "1",
        ])
        .args(["-object", "rng-random,id=rng,filename=/dev/urandom"])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(folder.join("initrd"));
        for port in ["console", "output", "status"] {
            qemu.arg("-serial")
                .arg(format!("file:{}", folder.join(port).display()));
        }
        let mut parameters = "console=ttyS0 panic=-1 loglevel=4 quiet cgroup_no_v1=all \
            mitigations=off random.trust_cpu=1"
            .to_owned();
        share(&mut qemu, "root", Path::new("/"));
        if let Some(folder) = &self.share {
            share(&mut qemu, "share", folder);
            parameters.push_str(" vm.share");
        }
        for (number, disk) in self.disks.iter().enumerate() {
            let file = disk.display();
            qemu.arg("-drive")
                .arg(format!("file={file},if=none,id=disk{number},format=raw"));
            qemu.arg("-device")
                .arg(format!("virtio-blk-pci,drive=disk{number}"));
        }
        qemu.arg("-append").arg(parameters);
        let log = fs::File::create(folder.join("qemu.log"))?;
        process::spawn(qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
    }

    /// Waits for the machine's end; false when its power was cut.
    fn attend(&self, mut child: Child) -> Result<bool> {
        let deadline = Instant::now() + self.limit;
        while child.try_wait()?.is_none() {
            let cut = self.power_cut.as_ref().is_some_and(|file| file.exists());
            if cut || Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
            }
            if cut {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }
}

fn share(qemu: &mut Command, tag: &str, folder: &Path) {
    let folder = folder.display();
    qemu.arg("-fsdev").arg(format!(
        "local,id={tag},path={folder},security_model=none,multidevs=remap"
    ));
    qemu.arg("-device")
        .arg(format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"));
}

fn outcome(folder: &Path) -> Result<Outcome> {
    let read = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    };
    let output = read("output");
    let status = read("status");
    match status.trim().strip_prefix("status=") {
        Some(status) => {
            let status = status
                .parse()
                .with_context(|| format!("status {status:?}"))?;
            Ok(Outcome::Ended { output, status })
        }
        None => bail!(
            "the machine ended without a status\n{output}\n{}\n{}",
            read("console"),
            read("qemu.log")
        ),
    }
}

/// A folder for one machine, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self> {
        let path = cache::dir()?.join(format!("vm-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // In the cache: what stays is only in the way.
        let _ = fs::remove_dir_all(&self.0);
    }
}
