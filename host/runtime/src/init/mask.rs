//! Parts of /proc and /sys that a container must not see or change: the union
//! of what Docker, Podman and containerd hide today.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_sys::Result;
use bulkhead_sys::directory::{file_type, stat_fd};
use bulkhead_sys::mount::{self, Attributes, Context};
use bulkhead_sys::path::{OFlag, open_beneath, open_in_root};

use super::InitError;
use super::rootfs::{Root, libc_enoent};
use crate::order::Protected;

/// Hidden, below /proc.
const MASKED_PROC: [&str; 12] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "kpagecount",
    "kpageflags",
];

/// Hidden, below /sys.
const MASKED_SYS: [&str; 4] = [
    "firmware",
    "devices/virtual/powercap",
    "fs/selinux",
    "dev/block",
];

/// Hidden for each processor, below /sys/devices/system/cpu/cpuN: temperature
/// and throttling tell what the neighbours do.
const MASKED_CPU: &str = "thermal_throttle";

/// Not to be written, below /proc.
const READ_ONLY_PROC: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What a container that asks for nothing else cannot read, and cannot write,
/// but for single files of each processor.
pub fn default_protected_paths() -> [Vec<String>; 2] {
    let below = |root: &'static str, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{root}/{name}")).collect()
    };
    let mut masked = below("/proc", &MASKED_PROC);
    masked.extend(below("/sys", &MASKED_SYS));
    [masked, below("/proc", &READ_ONLY_PROC)]
}

/// Hides and write-protects what the order says.
pub(super) fn apply(
    root: &Root,
    proc: &OwnedFd,
    protected: &Protected,
) -> std::result::Result<(), InitError> {
    let covers = Covers::new(root)?;
    match &protected.masked {
        None => mask_defaults(root, proc, &covers)?,
        Some(paths) => each(root, paths, |place| covers.cover(place))?,
    }
    match &protected.read_only {
        None => Ok(READ_ONLY_PROC
            .iter()
            .try_for_each(|path| write_protect(proc, path))?),
        Some(paths) => each(root, paths, write_protect_place),
    }
}

/// Paths of the user's choice, anywhere in the root: resolved inside it, and
/// what a symlink leads to is what is protected. Missing ones are fine.
fn each(
    root: &Root,
    paths: &[Vec<u8>],
    protect: impl Fn(OwnedFd) -> Result<()>,
) -> std::result::Result<(), InitError> {
    for path in paths {
        let path = Path::new(OsStr::from_bytes(path));
        let failed = |source| InitError::Protect {
            path: path.display().to_string(),
            source,
        };
        match open_in_root(root.fd(), path, OFlag::O_PATH, 0) {
            Err(e) if matches!(e.io_kind(), NotFound | NotADirectory) => {}
            other => other.and_then(&protect).map_err(failed)?,
        }
    }
    Ok(())
}

/// Both filesystems are the kernel's and freshly mounted, so no symlink of an
/// image can be on these paths; none is followed.
fn mask_defaults(
    root: &Root,
    proc: &OwnedFd,
    covers: &Covers,
) -> std::result::Result<(), InitError> {
    for path in MASKED_PROC {
        covers.hide(proc, path)?;
    }
    let sys = open_beneath(root.fd(), "sys", OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
    for path in MASKED_SYS {
        covers.hide(&sys, path)?;
    }
    Ok(mask_cpus(covers, &sys)?)
}

fn mask_cpus(covers: &Covers, sys: &OwnedFd) -> Result<()> {
    for cpu in 0..u32::MAX {
        let base = format!("devices/system/cpu/cpu{cpu}");
        if open(sys, &base)?.is_none() {
            return Ok(());
        }
        covers.hide(sys, &format!("{base}/{MASKED_CPU}"))?;
    }
    Ok(())
}

/// What lies over hidden things: /dev/null over files, an empty directory
/// over directories.
struct Covers {
    null: OwnedFd,
    empty: OwnedFd,
    /// The empty directory is mounted somewhere: before Linux 6.15 only then
    /// can its mount be cloned.
    attached: Cell<bool>,
}

impl Covers {
    fn new(root: &Root) -> std::result::Result<Self, InitError> {
        let null = open_beneath(root.dev()?, "null", OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)?;
        let tmpfs = Context::open(c"tmpfs")?;
        tmpfs.set(c"mode", "755")?;
        tmpfs.set(c"size", "4096")?;
        let locked = Attributes::NO_SUID
            .and(Attributes::NO_EXEC)
            .and(Attributes::NO_DEV);
        let empty = tmpfs.mount(locked.and(Attributes::READ_ONLY))?;
        Ok(Self {
            null,
            empty,
            attached: Cell::new(false),
        })
    }

    fn hide(&self, base: &OwnedFd, path: &str) -> Result<()> {
        match open(base, path)? {
            Some(place) => self.cover(place),
            None => Ok(()),
        }
    }

    fn cover(&self, place: OwnedFd) -> Result<()> {
        const S_IFDIR: u32 = 0o040_000;
        if file_type(&stat_fd(&place)?) != S_IFDIR {
            mount::move_mount(mount::clone_mount(&self.null, false)?, place)
        } else if self.attached.replace(true) {
            mount::move_mount(mount::clone_mount(&self.empty, false)?, place)
        } else {
            mount::move_mount(&self.empty, place)
        }
    }
}

fn write_protect(proc: &OwnedFd, path: &str) -> Result<()> {
    match open(proc, path)? {
        Some(place) => write_protect_place(place),
        None => Ok(()),
    }
}

fn write_protect_place(place: OwnedFd) -> Result<()> {
    let copy = mount::clone_mount(&place, true)?;
    mount::set_attributes(&copy, Attributes::READ_ONLY, true)?;
    mount::move_mount(copy, place)
}

/// `None` for what this kernel does not have.
fn open(base: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    match open_beneath(base, path, OFlag::O_PATH | OFlag::O_NOFOLLOW, 0) {
        Err(e) if e.errno() == libc_enoent() => Ok(None),
        other => other.map(Some),
    }
}
