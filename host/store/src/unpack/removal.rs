//! Removing what an entry or a whiteout replaces.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Each level of a tree holds one descriptor open while it is removed.
const MAX_DEPTH: usize = 256;

/// What to spare: the inodes this layer made itself.
pub(super) type Spared = HashSet<u64>;

/// Removes `name`, a tree when it is a directory, except for what is spared
/// and the directories that lead there. A missing one is fine.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &[u8], spared: &Spared) -> Result<(), Errno> {
    remove_below(dir, name, spared, MAX_DEPTH)
}

/// Removes everything in `dir` except for what is spared.
pub(super) fn empty(dir: BorrowedFd<'_>, spared: &Spared) -> Result<(), Errno> {
    empty_below(dir, spared, MAX_DEPTH)
}

fn remove_below(
    dir: BorrowedFd<'_>,
    name: &[u8],
    spared: &Spared,
    depth: usize,
) -> Result<(), Errno> {
    let stat = match fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_dir {
        let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What is mounted there is not what is replaced.
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let tree = fs::openat2(dir, name, flags, Mode::empty(), within)?;
        empty_below(tree.as_fd(), spared, depth)?;
    }
    if spared.contains(&stat.st_ino) {
        return Ok(());
    }
    let flags = if is_dir {
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match fs::unlinkat(dir, name, flags) {
        // Something in it was spared.
        Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir && !spared.is_empty() => Ok(()),
        other => other,
    }
}

fn empty_below(dir: BorrowedFd<'_>, spared: &Spared, depth: usize) -> Result<(), Errno> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove_below(dir, name, spared, depth)?;
        }
    }
    Ok(())
}
