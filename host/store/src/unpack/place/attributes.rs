//! Owner, mode, extended attributes and times of what was made. The order
//! matters: chown(2) clears set-user-ID bits and `security.capability`, and
//! everything changes times.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::Place;
use crate::unpack::entry::Entry;
use crate::unpack::error::UnpackError;

pub(super) fn of_descriptor(
    fd: BorrowedFd<'_>,
    path: &[u8],
    entry: &Entry,
) -> Result<(), UnpackError> {
    fs::fchown(
        fd,
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
    .map_err(|e| UnpackError::io("chown", path, e))?;
    fs::fchmod(fd, Mode::from_raw_mode(entry.mode))
        .map_err(|e| UnpackError::io("chmod", path, e))?;
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_wanted(name)) {
        let set = fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty());
        tolerate(set).map_err(|e| UnpackError::io("setxattr", path, e))?;
    }
    Ok(())
}

/// Says that the archive itself had an entry for the layer's root: a container
/// over it takes mode and owner from there.
pub(super) fn mark_root(fd: BorrowedFd<'_>) -> Result<(), UnpackError> {
    let set = fs::fsetxattr(fd, "trusted.bulkhead.root", b"y", XattrFlags::empty());
    tolerate(set).map_err(|e| UnpackError::io("setxattr", b"/", e))
}

pub(super) fn time_of_descriptor(
    fd: BorrowedFd<'_>,
    path: &[u8],
    entry: &Entry,
) -> Result<(), UnpackError> {
    fs::futimens(fd, &timestamps(entry.mtime)).map_err(|e| UnpackError::io("utimens", path, e))
}

pub(super) fn of_symlink(place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    let handle = handle_of(place, FileType::Symlink)?;
    chown(handle.as_fd(), place, entry)?;
    xattrs(handle.as_fd(), place, entry)?;
    time_of_handle(handle.as_fd(), place, entry)
}

/// Devices and FIFOs, which must not be opened but for their path. fchmodat(2)
/// would follow a symlink that came in the node's place.
pub(super) fn of_node(
    place: &Place<'_>,
    file_type: FileType,
    entry: &Entry,
) -> Result<(), UnpackError> {
    let handle = handle_of(place, file_type)?;
    chown(handle.as_fd(), place, entry)?;
    fs::chmod(magic_path(handle.as_fd()), Mode::from_raw_mode(entry.mode))
        .map_err(|e| UnpackError::io("chmod", place.path, e))?;
    xattrs(handle.as_fd(), place, entry)?;
    time_of_handle(handle.as_fd(), place, entry)
}

/// What was made a moment ago, by a descriptor for its path alone. In a
/// container something else may have come in its place.
fn handle_of(place: &Place<'_>, file_type: FileType) -> Result<OwnedFd, UnpackError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |e| UnpackError::io("open", place.path, e);
    let handle = fs::openat(place.parent, place.name, flags, Mode::empty()).map_err(failed)?;
    let found = FileType::from_raw_mode(fs::fstat(&handle).map_err(failed)?.st_mode);
    if found != file_type {
        return Err(UnpackError::entry(place.path, "it was replaced meanwhile"));
    }
    Ok(handle)
}

fn time_of_handle(
    handle: BorrowedFd<'_>,
    place: &Place<'_>,
    entry: &Entry,
) -> Result<(), UnpackError> {
    fs::utimensat(handle, "", &timestamps(entry.mtime), AtFlags::EMPTY_PATH)
        .map_err(|e| UnpackError::io("utimens", place.path, e))
}

/// The magic link of a descriptor for a path alone leads to the very inode.
fn magic_path(handle: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

pub(super) fn set_time(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: &[u8],
    mtime: (i64, i64),
) -> Result<(), UnpackError> {
    fs::utimensat(parent, name, &timestamps(mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| UnpackError::io("utimens", path, e))
}

pub(super) fn make_opaque(dir: BorrowedFd<'_>, path: &[u8]) -> Result<(), UnpackError> {
    fs::fsetxattr(dir, "trusted.overlay.opaque", b"y", XattrFlags::empty())
        .map_err(|e| UnpackError::io("make opaque", path, e))
}

fn chown(handle: BorrowedFd<'_>, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    fs::chownat(handle, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
        .map_err(|e| UnpackError::io("chown", place.path, e))
}

/// fsetxattr(2) refuses `O_PATH` descriptors, and setxattrat(2) is as new as
/// Linux 6.13; the magic link of an `O_PATH` descriptor leads to the very
/// inode, a symlink's too.
fn xattrs(handle: BorrowedFd<'_>, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    let mut wanted = entry
        .xattrs
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let failed = |e| UnpackError::io("setxattr", place.path, e);
    let path = magic_path(handle);
    for (name, value) in wanted {
        let set = fs::setxattr(&*path, name.as_slice(), value, XattrFlags::empty());
        tolerate(set).map_err(failed)?;
    }
    Ok(())
}

/// `trusted.*` and `user.overlay.*` steer overlayfs, the rest of `security.*`
/// and `system.*` the host's own policies.
fn is_wanted(name: &[u8]) -> bool {
    match name.split(|b| *b == b'.').next() {
        _ if name.contains(&0) => false,
        Some(b"user") => !name.starts_with(b"user.overlay."),
        Some(b"security") => name == b"security.capability",
        Some(b"system") => name.starts_with(b"system.posix_acl_"),
        _ => false,
    }
}

/// Filesystems without extended attributes, and objects that take none (a
/// symlink has no `user.*`), lose them, as with Docker.
fn tolerate(set: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match set {
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
        other => other,
    }
}

fn timestamps((seconds, nanos): (i64, i64)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
