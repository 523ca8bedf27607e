//! What a storage driver is told about kernel, filesystem and host.

use std::os::fd::OwnedFd;
use std::path::Path;

use bulkhead_sys::directory::{
    BTRFS_MAGIC, OVERLAY_MAGIC, TMPFS_MAGIC, XFS_MAGIC, filesystem_magic, unlinkat,
};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::project_quota::has_project_quota;

use super::program::find;
use super::volumes::can_make_pools;

/// The filesystems the kernel knows, or has modules of that it loads when
/// they are needed: to find out, none is loaded.
struct Kernel {
    loaded: String,
    modules: String,
}

impl Kernel {
    fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        Self {
            loaded: read("/proc/filesystems"),
            modules: read(&format!("/lib/modules/{}/modules.dep", release.trim())),
        }
    }

    fn has(&self, filesystem: &str) -> bool {
        let module = format!("/{filesystem}.ko");
        let is_module = |line: &str| {
            let path = line.split(':').next().unwrap_or_default();
            path.contains(&module)
        };
        let name = format!("\t{filesystem}");
        self.loaded.lines().any(|line| line.ends_with(&name)) || self.modules.lines().any(is_module)
    }
}

/// Finds out what the kernel and the filesystem can.
pub(super) fn probe(root: &OwnedFd) -> Vec<String> {
    let mut facts = Vec::new();
    let kernel = Kernel::read();
    let magic = filesystem_magic(root).unwrap_or(0);
    // An overlay can be the lower layer of an overlay, but not the upper.
    if kernel.has("overlay") && magic != OVERLAY_MAGIC {
        // `volatile` came with Linux 5.10; we need newer calls anyway.
        facts.extend(["overlay", "overlay-volatile"]);
    }
    facts.extend(match magic {
        XFS_MAGIC => Some("xfs"),
        BTRFS_MAGIC => Some("btrfs"),
        TMPFS_MAGIC => Some("tmpfs"),
        OVERLAY_MAGIC => Some("on-overlay"),
        0xef53 => Some("ext4"),
        _ => None,
    });
    if can_reflink(root) {
        facts.push("reflink");
    }
    if has_project_quota(root) {
        facts.push("project-quota");
    }
    if Path::new("/dev/loop-control").exists() {
        facts.push("loop");
    }
    if can_make_pools() {
        facts.push("dm-thin");
    }
    for (filesystem, fact) in [("btrfs", "kernel-btrfs"), ("xfs", "kernel-xfs")] {
        if kernel.has(filesystem) {
            facts.push(fact);
        }
    }
    let programs = ["mkfs.btrfs", "mkfs.xfs", "mkfs.ext4"];
    facts.extend(programs.into_iter().filter(|name| find(name).is_some()));
    facts.into_iter().map(str::to_owned).collect()
}

/// Tries it: whether XFS can depends on how it was made.
fn can_reflink(root: &OwnedFd) -> bool {
    const NAMES: [&str; 2] = [".probe-a", ".probe-b"];
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let attempt = || -> bulkhead_sys::Result<bool> {
        let from = open_beneath(root, NAMES[0], flags, 0o600)?;
        let to = open_beneath(root, NAMES[1], flags, 0o600)?;
        bulkhead_sys::poll::write(&from, &[0; 4096])?;
        Ok(bulkhead_sys::copy::reflink(&from, &to))
    };
    let can = attempt().unwrap_or(false);
    for name in NAMES {
        let _ = unlinkat(root, name);
    }
    can
}
