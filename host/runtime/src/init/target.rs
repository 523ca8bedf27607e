//! Places for mounts inside a root that may be hostile: found or made by
//! descriptor, as if chrooted, without magic links.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use bulkhead_sys::Result;
use bulkhead_sys::directory::{mkdirat, mknodat};
use bulkhead_sys::path::{OFlag, open_in_root};

use super::rootfs::libc_enoent;

const EEXIST: i32 = 17;

/// Opens a directory, made with its parents if missing.
pub(crate) fn directory(root: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let path = clean(path);
    match open_in_root(root, &path, OFlag::O_PATH, 0) {
        Err(e) if e.errno() == libc_enoent() => {}
        other => return other,
    }
    let mut so_far = PathBuf::from("/");
    let mut current = open_in_root(root, &so_far, flags, 0)?;
    for name in path.iter().skip(1) {
        so_far.push(name);
        current = match open_in_root(root, &so_far, flags, 0) {
            Err(e) if e.errno() == libc_enoent() => {
                exists_is_fine(mkdirat(&current, name, mode))?;
                open_in_root(root, &so_far, flags, 0)?
            }
            other => other?,
        };
    }
    Ok(current)
}

/// Opens a file, made empty if missing.
pub(crate) fn file(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let path = clean(path);
    match open_in_root(root, &path, OFlag::O_PATH, 0) {
        Err(e) if e.errno() == libc_enoent() => {}
        other => return other,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return open_in_root(root, &path, OFlag::O_PATH, 0);
    };
    let parent = directory(root, parent, 0o755)?;
    exists_is_fine(mknodat(&parent, name, 0o100_644, 0))?;
    open_in_root(root, &path, OFlag::O_PATH, 0)
}

pub(super) fn exists_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(e) if e.errno() == EEXIST => Ok(()),
        other => other,
    }
}

/// An absolute path without `.` and `..`, by text alone: `..` would mean
/// something else once a component before it exists.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn targets_are_made_inside_whatever_links_the_image_has() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::os::unix::fs::symlink("/../../../outside", root.join("escape")).unwrap();
        std::os::unix::fs::symlink("/real", root.join("inside")).unwrap();
        std::os::unix::fs::symlink("/proc/self/cwd", root.join("magic")).unwrap();
        let fd = bulkhead_sys::path::open_host_dir(&root).unwrap();
        directory(fd.as_fd(), Path::new("/inside/a/../b"), 0o755).unwrap();
        assert!(root.join("real/b").is_dir());
        file(fd.as_fd(), Path::new("/inside/c/f")).unwrap();
        assert!(root.join("real/c/f").is_file());
        assert!(directory(fd.as_fd(), Path::new("/escape/x"), 0o755).is_err());
        assert!(directory(fd.as_fd(), Path::new("/magic/x"), 0o755).is_err());
        assert!(!temp.path().join("outside").exists());
    }

    #[test]
    fn cleaning_is_lexical() {
        assert_eq!(clean(Path::new("a/./b/../../../c")), Path::new("/c"));
        assert_eq!(clean(Path::new("")), Path::new("/"));
    }
}
