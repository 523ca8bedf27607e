//! Copying a tree by descriptor: data by reflink (FICLONE) or
//! `copy_file_range(2)`, holes kept, with modes, owners, extended attributes,
//! times and hard links.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::directory::{
    Stat, chmod_fd, entries, fchmodat, fchownat, file_type, linkat, mkdirat, mknodat, readlinkat,
    set_xattr, stat, symlinkat, utimensat, xattr, xattr_names,
};
use crate::error::{Error, Result, check};
use crate::path::{OFlag, open_beneath};
use crate::tree::{AsDescriptor, check_depth, open_dir};

/// Copies everything in `source` into `dest`, which exists and is empty, and
/// gives `dest` the source's mode, owner, attributes and times.
///
/// # Errors
/// EXDEV at a mount inside the source; the first failed call otherwise. The
/// caller removes what was copied until then.
pub fn copy_tree(source: impl AsFd, dest: impl AsFd) -> Result<()> {
    let mut walk = Walk {
        links: HashMap::new(),
    };
    walk.level(&source.as_fd(), &dest.as_fd(), 0)?;
    finish_root(source.as_fd(), dest.as_fd())
}

struct Walk {
    /// Files with several names, by device and inode: where the first copy is.
    links: HashMap<(u64, u64), (OwnedFd, OsString)>,
}

impl Walk {
    fn level(
        &mut self,
        source: &dyn AsDescriptor,
        dest: &dyn AsDescriptor,
        depth: usize,
    ) -> Result<()> {
        for name in entries(source.descriptor())? {
            check_depth(depth, Path::new(&name))?;
            let found = stat(source.descriptor(), &name)?;
            if self.link(dest, &name, &found)? {
                continue;
            }
            self.entry(source, dest, &name, &found, depth)?;
        }
        Ok(())
    }

    /// Another name of a file that was copied before.
    fn link(&mut self, dest: &dyn AsDescriptor, name: &OsString, found: &Stat) -> Result<bool> {
        if found.st_nlink < 2 || file_type(found) == libc::S_IFDIR {
            return Ok(false);
        }
        let key = (found.st_dev, found.st_ino);
        if let Some((dir, first)) = self.links.get(&key) {
            linkat(dir, first, dest.descriptor(), name)?;
            return Ok(true);
        }
        let dir = dest
            .descriptor()
            .try_clone_to_owned()
            .map_err(|e| Error::new("dup", name.display(), e))?;
        self.links.insert(key, (dir, name.clone()));
        Ok(false)
    }

    fn entry(
        &mut self,
        source: &dyn AsDescriptor,
        dest: &dyn AsDescriptor,
        name: &OsString,
        found: &Stat,
        depth: usize,
    ) -> Result<()> {
        let (from, to) = (source.descriptor(), dest.descriptor());
        match file_type(found) {
            libc::S_IFDIR => {
                mkdirat(to, name, 0o700)?;
                self.level(&open_dir(from, name)?, &open_dir(to, name)?, depth + 1)?;
            }
            libc::S_IFREG => copy_file(from, to, name, found)?,
            libc::S_IFLNK => symlinkat(readlinkat(from, name)?, to, name)?,
            _ => mknodat(to, name, found.st_mode, found.st_rdev)?,
        }
        finish(from, to, name, found)
    }
}

/// Owner first: it clears set-id bits and `security.capability`.
fn finish(source: impl AsFd, dest: impl AsFd, name: &OsString, found: &Stat) -> Result<()> {
    fchownat(&dest, name, found.st_uid, found.st_gid)?;
    if file_type(found) != libc::S_IFLNK {
        fchmodat(&dest, name, found.st_mode & 0o7777)?;
    }
    for attribute in xattr_names(&source, name)? {
        if let Some(value) = xattr(&source, name, &attribute)? {
            set_xattr(&dest, name, &attribute, &value)?;
        }
    }
    utimensat(
        dest,
        name,
        (found.st_atime, found.st_atime_nsec),
        (found.st_mtime, found.st_mtime_nsec),
    )
}

fn finish_root(
    source: std::os::fd::BorrowedFd<'_>,
    dest: std::os::fd::BorrowedFd<'_>,
) -> Result<()> {
    let found = crate::directory::stat_fd(source)?;
    crate::directory::chown_fd(dest, found.st_uid, found.st_gid)?;
    chmod_fd(dest, found.st_mode & 0o7777)?;
    crate::xattr::copy_xattrs_fd(source, dest)?;
    crate::directory::utimens_fd(
        dest,
        (found.st_atime, found.st_atime_nsec),
        (found.st_mtime, found.st_mtime_nsec),
    )
}

fn copy_file(from: impl AsFd, to: impl AsFd, name: &OsString, found: &Stat) -> Result<()> {
    let source = open_beneath(
        from,
        name,
        OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK,
        0,
    )?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let dest = open_beneath(to, name, flags, 0o600)?;
    copy_data(&source, &dest, found.st_size as u64)
}

/// Fills an empty file with another's bytes, sharing extents where the
/// filesystem can; holes stay holes.
pub fn copy_data(source: impl AsFd, dest: impl AsFd, size: u64) -> Result<()> {
    if size == 0 || reflink(&source, &dest) {
        return Ok(());
    }
    let (from, to) = (source.as_fd().as_raw_fd(), dest.as_fd().as_raw_fd());
    // SAFETY: integers only.
    let result = unsafe { libc::ftruncate(to, size as i64) };
    check(result.into(), "ftruncate", size)?;
    let mut position = 0;
    while let Some((start, end)) = next_extent(from, position, size)? {
        copy_range(from, to, start, end)?;
        position = end;
    }
    Ok(())
}

/// Makes `dest` share all extents of `source` (FICLONE); false when the
/// filesystem cannot.
pub fn reflink(source: impl AsFd, dest: impl AsFd) -> bool {
    let (from, to) = (source.as_fd().as_raw_fd(), dest.as_fd().as_raw_fd());
    // SAFETY: FICLONE takes the source's descriptor as its argument.
    unsafe { libc::ioctl(to, libc::FICLONE as _, from) == 0 }
}

/// `ioctl_ficlone(2)`: `dest` becomes a copy that shares the source's bytes.
///
/// # Errors
/// EOPNOTSUPP or EXDEV where the filesystem cannot.
pub fn clone_file(source: impl AsFd, dest: impl AsFd) -> Result<()> {
    let (from, to) = (source.as_fd().as_raw_fd(), dest.as_fd().as_raw_fd());
    // SAFETY: FICLONE takes the source's descriptor as its argument.
    let result = unsafe { libc::ioctl(to, libc::FICLONE as _, from) };
    check(result.into(), "FICLONE", "").map(drop)
}

fn next_extent(fd: i32, position: u64, size: u64) -> Result<Option<(u64, u64)>> {
    if position >= size {
        return Ok(None);
    }
    // SAFETY: integers only.
    let start = unsafe { libc::lseek(fd, position as i64, libc::SEEK_DATA) };
    match check(start, "lseek", "SEEK_DATA") {
        // ENXIO: no data behind the position.
        Err(e) if e.errno() == libc::ENXIO => return Ok(None),
        // A filesystem that knows no holes.
        Err(e) if e.errno() == libc::EINVAL => return Ok(Some((position, size))),
        other => other?,
    };
    // SAFETY: integers only.
    let end = check(
        unsafe { libc::lseek(fd, start, libc::SEEK_HOLE) },
        "lseek",
        "SEEK_HOLE",
    )?;
    Ok(Some((start as u64, (end as u64).min(size))))
}

fn copy_range(from: i32, to: i32, start: u64, end: u64) -> Result<()> {
    let (mut read_at, mut write_at) = (start as i64, start as i64);
    while (read_at as u64) < end {
        let length = (end - read_at as u64) as usize;
        // SAFETY: the offsets are writable integers that outlive the call.
        let got =
            unsafe { libc::copy_file_range(from, &mut read_at, to, &mut write_at, length, 0) };
        match check(got as libc::c_long, "copy_file_range", length) {
            // The source was cut meanwhile.
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(e)
                if matches!(
                    e.errno(),
                    libc::EXDEV | libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP
                ) =>
            {
                return copy_by_hand(from, to, read_at, end);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn copy_by_hand(from: i32, to: i32, mut position: i64, end: u64) -> Result<()> {
    let mut buffer = vec![0u8; 128 * 1024];
    while (position as u64) < end {
        let want = buffer.len().min((end - position as u64) as usize);
        // SAFETY: the buffer is writable for `want` bytes.
        let got = unsafe { libc::pread(from, buffer.as_mut_ptr().cast(), want, position) };
        let got = check(got as libc::c_long, "pread", want)? as usize;
        if got == 0 {
            return Ok(());
        }
        let mut written = 0;
        while written < got {
            // SAFETY: the slice is readable for the length that is given.
            let put = unsafe {
                libc::pwrite(
                    to,
                    buffer[written..got].as_ptr().cast(),
                    got - written,
                    position + written as i64,
                )
            };
            written += check(put as libc::c_long, "pwrite", got)? as usize;
        }
        position += got as i64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::open_host_dir;
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

    #[test]
    fn a_copy_is_the_tree_again() {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir_all(from.join("d")).unwrap();
        std::fs::create_dir(&to).unwrap();
        let big = std::fs::File::create(from.join("d/sparse")).unwrap();
        big.write_at(b"end", 50 << 20).unwrap();
        big.write_at(b"start", 0).unwrap();
        std::fs::hard_link(from.join("d/sparse"), from.join("other")).unwrap();
        std::os::unix::fs::symlink("/nowhere", from.join("link")).unwrap();
        let source = open_host_dir(&from).unwrap();
        mknodat(
            &source,
            "null",
            libc::S_IFCHR | 0o640,
            crate::directory::makedev(1, 3),
        )
        .unwrap();
        set_xattr(&source, "d", c"trusted.overlay.opaque", b"y").unwrap();
        fchownat(&source, "other", 12, 34).unwrap();
        fchmodat(&source, "other", 0o4755).unwrap();
        std::fs::set_permissions(&from, PermissionsExt::from_mode(0o1751)).unwrap();
        utimensat(&source, "d", (1, 0), (2, 0)).unwrap();
        copy_tree(&source, open_host_dir(&to).unwrap()).unwrap();
        let copy = open_host_dir(&to).unwrap();
        let file = std::fs::metadata(to.join("other")).unwrap();
        assert_eq!(
            (file.uid(), file.gid(), file.mode() & 0o7777, file.nlink()),
            (12, 34, 0o4755, 2)
        );
        assert!(file.blocks() * 512 < 1 << 20, "holes are kept");
        assert_eq!(
            std::fs::read(from.join("other")).unwrap(),
            std::fs::read(to.join("d/sparse")).unwrap()
        );
        assert_eq!(stat(&copy, "d").unwrap().st_mtime, 2);
        assert_eq!(
            stat(&copy, "null").unwrap().st_rdev,
            crate::directory::makedev(1, 3)
        );
        assert_eq!(
            xattr(&copy, "d", c"trusted.overlay.opaque")
                .unwrap()
                .as_deref(),
            Some(&b"y"[..])
        );
        assert_eq!(readlinkat(&copy, "link").unwrap(), "/nowhere");
        assert_eq!(std::fs::metadata(&to).unwrap().mode() & 0o7777, 0o1751);
    }
}
