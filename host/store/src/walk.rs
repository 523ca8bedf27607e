//! Going down a tree without recursion and without a descriptor per level,
//! however deep a hostile one is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

/// Levels whose directories stay open; those above are opened again by way of
/// `..` when they are come back to.
const KEPT: usize = 64;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The directories from a tree's top to where the walk is.
#[derive(Debug, Default)]
pub(crate) struct Descent {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// Absent while it is more than [`KEPT`] levels above.
    dir: Option<OwnedFd>,
    /// Device and inode.
    id: (u64, u64),
}

impl Descent {
    /// Goes into a directory, the top to begin with.
    pub(crate) fn enter(&mut self, dir: OwnedFd, stat: &Stat) {
        self.levels.push(Level {
            dir: Some(dir),
            id: id(stat),
        });
        let depth = self.levels.len();
        if depth > KEPT + 1 {
            self.levels[depth - KEPT - 1].dir = None;
        }
    }

    /// Goes back up.
    ///
    /// # Errors
    /// ESTALE when somebody moved the directory meanwhile, so that it is not
    /// known any more where the walk was.
    pub(crate) fn leave(&mut self) -> Result<(), Errno> {
        let left = self.levels.pop();
        let (Some(left), Some(above)) = (left, self.levels.last_mut()) else {
            return Ok(());
        };
        let (None, Some(from)) = (&above.dir, left.dir) else {
            return Ok(());
        };
        let dir = fs::openat(&from, "..", DIRECTORY, Mode::empty())?;
        if id(&fs::fstat(&dir)?) != above.id {
            return Err(Errno::STALE);
        }
        above.dir = Some(dir);
        Ok(())
    }

    /// Where the walk is; `None` above the top.
    pub(crate) fn here(&self) -> Option<BorrowedFd<'_>> {
        self.levels.last()?.dir.as_ref().map(AsFd::as_fd)
    }
}

pub(crate) fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Opens a directory in another for reading, no link and no device.
pub(crate) fn open_directory(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    fs::openat(dir, name, DIRECTORY, Mode::empty())
}

/// Opens a directory that is held for its path alone for reading.
pub(crate) fn reopen_directory(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    fs::openat(dir, ".", DIRECTORY, Mode::empty())
}

/// The names in a directory, sorted, so that archives of the same tree are
/// the same.
pub(crate) fn names(dir: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A file that went while the tree was walked is not there, that is all.
pub(crate) fn unless_gone<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_moved_away_during_the_walk_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let mut descent = Descent::default();
        let mut here = temp.path().to_owned();
        for depth in 0..KEPT + 3 {
            let dir = fs::open(&here, DIRECTORY, Mode::empty()).unwrap();
            let stat = fs::fstat(&dir).unwrap();
            descent.enter(dir, &stat);
            here.push(format!("d{depth}"));
            std::fs::create_dir(&here).unwrap();
        }
        std::fs::create_dir(temp.path().join("elsewhere")).unwrap();
        std::fs::rename(
            temp.path().join("d0/d1/d2"),
            temp.path().join("elsewhere/d2"),
        )
        .unwrap();
        let mut result = Ok(());
        while descent.here().is_some() && result.is_ok() {
            result = descent.leave();
        }
        assert_eq!(result, Err(Errno::STALE));
    }
}
