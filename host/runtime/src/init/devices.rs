//! Device files, made in a tmpfs that no image can have prepared.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bulkhead_sys::directory::{entries, file_type, makedev, mkdirat, mknodat, stat};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use super::InitError;

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
