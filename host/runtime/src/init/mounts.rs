//! What the user and the engine asked for, mounted in the order given.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_sys::directory::{self, PROC_MAGIC, SYSFS_MAGIC};
use bulkhead_sys::mount::{self, Attributes, Context};
use bulkhead_sys::path::{OFlag, open_in_root};

use super::InitError;
use super::rootfs::Root;
use super::target;
use crate::order::{Content, InitOrder, MountTarget, Propagation, TmpfsOrder, WriteProtection};

const S_IFDIR: u32 = 0o040_000;

/// Mounts everything; `detached` are the descriptors of what is not made here.
pub(super) fn mount_requested(
    root: &Root,
    order: &InitOrder,
    detached: Vec<OwnedFd>,
) -> Result<(), InitError> {
    let mut detached = detached.into_iter();
    for wanted in &order.mounts {
        let path = Path::new(std::ffi::OsStr::from_bytes(&wanted.target));
        let existing = open_in_root(root.fd(), path, OFlag::O_PATH, 0).ok();
        let place = place(root, wanted, path)?;
        refuse_kernel_filesystems(order, &place, path)?;
        let mounted = match &wanted.content {
            Content::Detached { .. } => detached.next().ok_or(InitError::MissingMount)?,
            Content::Tmpfs(tmpfs) => make_tmpfs(tmpfs, existing.as_ref())?,
        };
        write_protect(&mounted, wanted.read_only)?;
        mount::move_mount(&mounted, place)?;
        propagate(&mounted, &wanted.content)?;
    }
    Ok(())
}

/// Found or made inside the root.
fn place(root: &Root, wanted: &MountTarget, path: &Path) -> Result<OwnedFd, InitError> {
    let shown = || path.display().to_string();
    let directory = match wanted.content {
        Content::Detached { directory, .. } => directory,
        Content::Tmpfs(_) => true,
    };
    let place = if directory {
        target::directory(root.fd(), path, 0o755)
    } else {
        target::file(root.fd(), path)
    };
    let place = place.map_err(|source| InitError::MountTarget {
        path: shown(),
        source,
    })?;
    if (directory::file_type(&directory::stat_fd(&place)?) == S_IFDIR) != directory {
        return Err(InitError::TargetType(shown()));
    }
    Ok(place)
}

/// By the filesystem, not by the path: a link can lead anywhere.
fn refuse_kernel_filesystems(
    order: &InitOrder,
    place: &OwnedFd,
    path: &Path,
) -> Result<(), InitError> {
    let magic = directory::filesystem_magic(place)?;
    if matches!(magic, PROC_MAGIC | SYSFS_MAGIC) && !order.privileged {
        let shown = path.display().to_string();
        return Err(InitError::InsideKernelFilesystem(shown));
    }
    Ok(())
}

/// Without a mode of its own its root has that of the directory it covers,
/// as with runc, or else the kernel's 1777.
fn make_tmpfs(order: &TmpfsOrder, covered: Option<&OwnedFd>) -> Result<OwnedFd, InitError> {
    let context = Context::open(c"tmpfs")?;
    if let Some(covered) = covered {
        let mode = directory::stat_fd(covered)?.st_mode & 0o7777;
        context.set(c"mode", &format!("{mode:o}"))?;
    }
    for (key, value) in &order.settings {
        let key = CString::new(key.as_str()).map_err(|_| InitError::NulByte)?;
        context.set(&key, value)?;
    }
    let without = |kept: bool, attribute| if kept { Attributes::NONE } else { attribute };
    let attributes = without(order.exec, Attributes::NO_EXEC)
        .and(without(order.suid, Attributes::NO_SUID))
        .and(without(order.dev, Attributes::NO_DEV));
    Ok(context.mount(attributes)?)
}

fn write_protect(mounted: &OwnedFd, how: WriteProtection) -> Result<(), InitError> {
    match how {
        WriteProtection::No => Ok(()),
        WriteProtection::Top => Ok(mount::set_attributes(
            mounted,
            Attributes::READ_ONLY,
            false,
        )?),
        WriteProtection::Recursive => {
            Ok(mount::set_attributes(mounted, Attributes::READ_ONLY, true)?)
        }
    }
}

/// A copy of a shared mount is born as its peer.
fn propagate(mounted: &OwnedFd, content: &Content) -> Result<(), InitError> {
    let propagation = match content {
        Content::Detached { propagation, .. } => *propagation,
        Content::Tmpfs(_) => Propagation::Private,
    };
    match propagation {
        Propagation::Private => Ok(mount::set_private(mounted, true)?),
        Propagation::Slave => Ok(mount::set_slave(mounted, true)?),
        Propagation::Shared => Ok(()),
    }
}
