//! Whole trees by descriptor: removing and measuring. No symlink is followed
//! and no mount is crossed, whatever else happens to the tree meanwhile.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::btrfs;
use crate::directory::{entries, file_type, rmdirat, stat, unlinkat};
use crate::error::{Error, Result};
use crate::path::{OFlag, open_beneath_same_mount};

/// Deeper trees than this are refused: the walk holds one descriptor a level.
const MAX_DEPTH: usize = 512;

pub(crate) fn open_dir(dir: impl AsFd, name: impl AsRef<Path>) -> Result<OwnedFd> {
    open_beneath_same_mount(
        dir,
        name,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW,
        0,
    )
}

pub(crate) fn check_depth(depth: usize, name: &Path) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            "walk",
            name.display(),
            nix::errno::Errno::ENAMETOOLONG,
        ));
    }
    Ok(())
}

/// Removes `name` in `dir` with everything below it. Missing is fine.
///
/// # Errors
/// EXDEV or EBUSY at a mount below; EMFILE when the descriptors end. What
/// was removed until then stays removed.
pub fn remove_tree(dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    remove_level(&dir.as_fd(), name.as_ref(), 0)
}

fn remove_level(dir: &dyn AsDescriptor, name: &Path, depth: usize) -> Result<()> {
    check_depth(depth, name)?;
    match unlinkat(dir.descriptor(), name) {
        Ok(()) => return Ok(()),
        Err(e) if e.errno() == libc::ENOENT => return Ok(()),
        // A directory is EISDIR here (POSIX: EPERM).
        Err(e) if matches!(e.errno(), libc::EISDIR | libc::EPERM) => {}
        Err(e) => return Err(e),
    }
    let child = match open_dir(dir.descriptor(), name) {
        Err(e) if e.errno() == libc::ENOENT => return Ok(()),
        other => other?,
    };
    let is_subvolume = btrfs::is_subvolume(&child)?;
    if is_subvolume && destroyed(dir, name, &child)? {
        return Ok(());
    }
    for entry in entries(&child)? {
        remove_level(&child, Path::new(&entry), depth + 1)?;
    }
    if is_subvolume {
        return match destroyed(dir, name, &child)? {
            true => Ok(()),
            // Somebody makes new ones all the time.
            false => Err(not_empty(name)),
        };
    }
    match rmdirat(dir.descriptor(), name) {
        Err(e) if e.errno() == libc::ENOENT => Ok(()),
        other => other,
    }
}

fn not_empty(name: &Path) -> Error {
    Error::new("remove", name.display(), nix::errno::Errno::ENOTEMPTY)
}

/// Takes a whole subvolume at once. One with others in it, which anybody can
/// make who may write there, is made ready to be emptied and `false`.
fn destroyed(dir: &dyn AsDescriptor, name: &Path, child: &OwnedFd) -> Result<bool> {
    let id = btrfs::subvolume_id(child)?;
    match btrfs::destroy_subvolume(dir.descriptor(), name) {
        Ok(()) => {
            // Where nobody counts there is nothing to forget, and newer
            // kernels forget by themselves.
            let _ = btrfs::forget_quota(dir.descriptor(), id);
            Ok(true)
        }
        Err(e) if e.errno() == libc::ENOENT => Ok(true),
        Err(e) if e.errno() == libc::ENOTEMPTY => {
            btrfs::set_read_only(child, false)?;
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Object-safe [`AsFd`], so that the recursion is one function.
pub(crate) trait AsDescriptor {
    fn descriptor(&self) -> std::os::fd::BorrowedFd<'_>;
}

impl<T: AsFd> AsDescriptor for T {
    fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Bytes of the files and inodes below a directory, the directory included; a
/// file with several names counts once. Directories have no bytes here: an
/// untouched tree takes nothing, as Docker counts.
pub fn usage(dir: impl AsFd) -> Result<(u64, u64)> {
    let mut walk = UsageWalk {
        bytes: 0,
        inodes: 1,
        seen: HashSet::new(),
    };
    walk.level(&dir.as_fd(), 0)?;
    Ok((walk.bytes, walk.inodes))
}

struct UsageWalk {
    bytes: u64,
    inodes: u64,
    seen: HashSet<(u64, u64)>,
}

impl UsageWalk {
    fn level(&mut self, dir: &dyn AsDescriptor, depth: usize) -> Result<()> {
        for name in entries(dir.descriptor())? {
            let name = Path::new(&name);
            check_depth(depth, name)?;
            let Some(found) = missing_is_none(stat(dir.descriptor(), name))? else {
                continue;
            };
            if found.st_nlink > 1
                && file_type(&found) != libc::S_IFDIR
                && !self.seen.insert((found.st_dev, found.st_ino))
            {
                continue;
            }
            self.inodes += 1;
            if file_type(&found) != libc::S_IFDIR {
                self.bytes += u64::try_from(found.st_size).unwrap_or(0);
            } else if let Some(child) = missing_is_none(open_dir(dir.descriptor(), name))? {
                self.level(&child, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// The tree may change while it is measured.
fn missing_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.errno(), libc::ENOENT | libc::EXDEV | libc::ENOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::open_host_dir;

    #[test]
    fn a_tree_goes_and_what_its_links_point_at_stays() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("keep"), "x").unwrap();
        std::fs::create_dir_all(temp.path().join("tree/a/b")).unwrap();
        std::os::unix::fs::symlink("../../keep", temp.path().join("tree/a/link")).unwrap();
        std::os::unix::fs::symlink(temp.path(), temp.path().join("tree/dirlink")).unwrap();
        let dir = open_host_dir(temp.path()).unwrap();
        assert_eq!(usage(&dir).unwrap().1, 7);
        remove_tree(&dir, "tree").unwrap();
        remove_tree(&dir, "tree").unwrap();
        assert!(!temp.path().join("tree").exists());
        assert!(temp.path().join("keep").exists());
    }
}
