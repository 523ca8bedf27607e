//! Device files, made in a tmpfs that no image can have prepared.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_sys::directory::{entries, fchownat, file_type, makedev, mkdirat, mknodat, stat};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use super::rootfs::Root;
use super::{InitError, target};
use crate::order::{DeviceFile, InitOrder};

const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFDIR: u32 = 0o040_000;

/// The OCI runtime specification's default devices: name, major, minor.
const DEFAULT: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Makes the default devices, or all of the host's.
pub(super) fn make(dev: &OwnedFd, privileged: bool) -> Result<(), InitError> {
    for (name, major, minor) in DEFAULT {
        mknodat(dev, name, S_IFCHR | 0o666, makedev(major, minor))?;
    }
    if privileged {
        copy_host_devices(&open_host_dir("/dev")?, dev, 0)?;
    }
    Ok(())
}

/// Makes the devices that were asked for. Nothing of the host's is mounted in
/// the root yet, so that none of them can land in a folder of the host's.
pub(super) fn make_requested(root: &Root, order: &InitOrder) -> Result<(), InitError> {
    for device in &order.devices {
        let path = Path::new(OsStr::from_bytes(&device.path));
        let made = make_one(root, order, device, path);
        made.map_err(|source| InitError::Device {
            path: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

/// One that is there already stays, as in Docker.
fn make_one(
    root: &Root,
    order: &InitOrder,
    device: &DeviceFile,
    path: &Path,
) -> bulkhead_sys::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    let parent = target::directory(root.fd(), parent, 0o755)?;
    match mknodat(&parent, name, device.mode, device.device) {
        Err(e) if e.io_kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    // The host's ids mean nothing in a user namespace.
    if order.mapped.is_none() {
        fchownat(&parent, name, device.owner.0, device.owner.1)?;
    }
    Ok(())
}

/// Not from the host: terminals and shared memory are per container.
const OWN: [&str; 6] = ["pts", "shm", "mqueue", "console", "ptmx", "fd"];

fn copy_host_devices(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), InitError> {
    // /dev/bus/usb/001/002 is as deep as it gets.
    const MAX_DEPTH: usize = 5;
    for name in entries(from.as_fd())? {
        let path = Path::new(&name);
        if depth == 0 && OWN.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        let Ok(found) = stat(from, path) else {
            continue;
        };
        match file_type(&found) {
            S_IFDIR if depth < MAX_DEPTH => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
                let Ok(child) = open_beneath(from, path, flags, 0) else {
                    continue;
                };
                mkdirat(to, path, 0o755)?;
                copy_host_devices(&child, &open_beneath(to, path, flags, 0)?, depth + 1)?;
            }
            S_IFCHR | S_IFBLK => match mknodat(to, path, found.st_mode, found.st_rdev) {
                // The default ones are there already.
                Err(e) if e.io_kind() == std::io::ErrorKind::AlreadyExists => {}
                other => other?,
            },
            _ => {}
        }
    }
    Ok(())
}
