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

/// [`usage`] of what `base` does not have alike, by name: a file counts with
/// all its bytes when type, mode, owner, device, size or modification time
/// differ. A copy or a snapshot that nobody touched holds nothing.
pub fn usage_over(dir: impl AsFd, base: impl AsFd) -> Result<(u64, u64)> {
    let mut walk = UsageWalk {
        bytes: 0,
        inodes: 0,
        seen: HashSet::new(),
    };
    walk.level_over(&dir.as_fd(), &base.as_fd(), 0)?;
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
            self.count(&found);
            if file_type(&found) == libc::S_IFDIR
                && let Some(child) = missing_is_none(open_dir(dir.descriptor(), name))?
            {
                self.level(&child, depth + 1)?;
            }
        }
        Ok(())
    }

    fn level_over(
        &mut self,
        dir: &dyn AsDescriptor,
        base: &dyn AsDescriptor,
        depth: usize,
    ) -> Result<()> {
        for name in entries(dir.descriptor())? {
            let name = Path::new(&name);
            check_depth(depth, name)?;
            let Some(found) = missing_is_none(stat(dir.descriptor(), name))? else {
                continue;
            };
            let before = missing_is_none(stat(base.descriptor(), name))?;
            if file_type(&found) != libc::S_IFDIR {
                if !before.is_some_and(|before| alike(&found, &before)) {
                    self.count(&found);
                }
                continue;
            }
            let Some(child) = missing_is_none(open_dir(dir.descriptor(), name))? else {
                continue;
            };
            match missing_is_none(open_dir(base.descriptor(), name))? {
                Some(before) => self.level_over(&child, &before, depth + 1)?,
                None => {
                    self.count(&found);
                    self.level(&child, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// A file with several names counts once, and a directory has no bytes.
    fn count(&mut self, found: &libc::stat) {
        let is_dir = file_type(found) == libc::S_IFDIR;
        if found.st_nlink > 1 && !is_dir && !self.seen.insert((found.st_dev, found.st_ino)) {
            return;
        }
        self.inodes += 1;
        if !is_dir {
            self.bytes += u64::try_from(found.st_size).unwrap_or(0);
        }
    }
}

/// Whether a user sees no difference.
fn alike(one: &libc::stat, other: &libc::stat) -> bool {
    let shown = |s: &libc::stat| {
        let owner = (s.st_uid, s.st_gid);
        (
            s.st_mode,
            owner,
            s.st_rdev,
            s.st_size,
            s.st_mtime,
            s.st_mtime_nsec,
        )
    };
    shown(one) == shown(other)
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

    #[test]
    fn a_copy_holds_only_what_was_changed_in_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(path("base/a/gone")).unwrap();
        std::fs::write(path("base/a/same"), "12345678").unwrap();
        std::fs::write(path("base/a/changed"), "1234").unwrap();
        std::fs::create_dir(path("copy")).unwrap();
        let base = crate::path::open_host_dir(path("base")).unwrap();
        let open = || {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
            crate::path::open_host(path("copy"), flags, 0).unwrap()
        };
        let from = open_beneath_same_mount(&base, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0);
        crate::copy::copy_tree(from.unwrap(), open()).unwrap();
        assert_eq!(usage_over(open(), &base).unwrap(), (0, 0));
        std::fs::write(path("copy/a/changed"), "123456").unwrap();
        std::fs::create_dir_all(path("copy/new/dir")).unwrap();
        std::fs::write(path("copy/new/file"), "1").unwrap();
        std::fs::hard_link(path("copy/new/file"), path("copy/new/link")).unwrap();
        std::fs::remove_dir(path("copy/a/gone")).unwrap();
        assert_eq!(usage_over(open(), &base).unwrap(), (7, 4));
    }
}
