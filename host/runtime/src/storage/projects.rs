//! Projects: numbers by which a filesystem counts what directories hold.
//!
//! The kernel is the record of them. A number is taken as soon as one
//! directory has it, and free again when the last file that it counted is
//! gone, whether it had a name until then or not: nothing is to be kept by a
//! daemon, nor to be known of other users of the filesystem.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use bulkhead_sys::directory::entries;
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::project_quota::{limit_project, project, project_usage, set_project};
use bulkhead_sys::{Error, Result};

/// The number that is tried next; whether it is free says the filesystem.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// More numbers than this are not tried for one directory.
const ATTEMPTS: u32 = 1_000_000;

/// Lets `dir`, in which there is nothing, and all that will be made in it hold
/// at most `bytes`. Numbers are counted up from that of `base`'s project, as
/// Docker does, so that an administrator can set where they begin.
pub(crate) fn limit(dir: impl AsFd, base: impl AsFd, bytes: u64) -> Result<()> {
    // The callers' may be mere handles, which take no ioctl.
    let (dir, base) = (reopen(dir)?, reopen(base)?);
    if !entries(&dir)?.is_empty() {
        return Err(failed(io::ErrorKind::DirectoryNotEmpty, "limit"));
    }
    NEXT.fetch_max(project(base)?.saturating_add(1), Ordering::Relaxed);
    let own = claim(&dir)?;
    limit_project(dir, own, bytes)
}

fn reopen(dir: impl AsFd) -> Result<OwnedFd> {
    open_beneath(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
}

/// Puts a directory into a project that is its own.
fn claim(dir: &OwnedFd) -> Result<u32> {
    for _ in 0..ATTEMPTS {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).max(1);
        if project_usage(dir, number)?.inodes > 0 {
            continue;
        }
        set_project(dir, number)?;
        // Another daemon on this filesystem may have been as quick.
        if project_usage(dir, number)?.inodes == 1 {
            return Ok(number);
        }
    }
    Err(failed(io::ErrorKind::QuotaExceeded, "no project is free"))
}

fn failed(kind: io::ErrorKind, what: &str) -> Error {
    Error::new("project", what, io::Error::from(kind))
}

#[cfg(test)]
mod tests;
