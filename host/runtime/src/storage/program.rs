//! Programs of the host's that make filesystems.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bulkhead_sys::{Error, Result};

/// Where they are found: not where the daemon's environment says.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
/// A sparse file is made into a filesystem within a second.
const TIME: Duration = Duration::from_secs(120);

/// A program, and Debian's package of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
}

pub(super) const MKFS_EXT4: Program = Program {
    name: "mkfs.ext4",
    package: "e2fsprogs",
};
pub(super) const MKFS_XFS: Program = Program {
    name: "mkfs.xfs",
    package: "xfsprogs",
};
pub(super) const MKFS_BTRFS: Program = Program {
    name: "mkfs.btrfs",
    package: "btrfs-progs",
};
pub(super) const RESIZE2FS: Program = Program {
    name: "resize2fs",
    package: "e2fsprogs",
};
const MODPROBE: Program = Program {
    name: "modprobe",
    package: "kmod",
};

/// Where a program is.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let folders = SEARCH_PATH.split(':').map(Path::new);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Runs it on a file that is open here.
pub(super) fn run(
    program: &Program,
    arguments: &[impl AsRef<OsStr>],
    file: BorrowedFd<'_>,
) -> Result<()> {
    // The file may be in a mount that no path leads to.
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut command = command(program)?;
    command.args(arguments).arg(path);
    finish(program, command)
}

/// Loads a module of the kernel.
pub(super) fn load_module(name: &str) -> Result<()> {
    let mut command = command(&MODPROBE)?;
    command.arg(name);
    finish(&MODPROBE, command)
}

fn command(program: &Program) -> Result<Command> {
    let found = find(program.name).ok_or_else(|| {
        let text = format!("it was not found: install {}", program.package);
        let missing = std::io::Error::from(std::io::ErrorKind::Unsupported);
        Error::new(program.name, text, missing)
    })?;
    let mut command = Command::new(found);
    command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Ok(command)
}

fn finish(program: &Program, mut command: Command) -> Result<()> {
    let failed = |text: &str, e: std::io::Error| Error::new(program.name, text, e);
    let mut child = command.spawn().map_err(|e| failed("start", e))?;
    let ended = wait(&mut child).map_err(|e| failed("wait", e))?;
    if ended {
        return Ok(());
    }
    let mut output = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(4096).read_to_string(&mut output);
    }
    let said = std::io::Error::other(output.trim().replace('\n', "; "));
    Err(failed("", said))
}

fn wait(child: &mut Child) -> std::io::Result<bool> {
    let until = Instant::now() + TIME;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
