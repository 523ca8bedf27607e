//! What a container changed: its tree compared with its image's.
//!
//! Both are walked together, sorted. A file whose inode and change time are
//! the same in both is the same file and looked at no further, which is what
//! overlay shows of everything that was never written to. Drivers that copy
//! have other inodes and times of change for everything; there, what a user
//! can see decides: type, mode, owner, device, size, modification time,
//! capabilities. A directory with a change below is changed, too.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::process::IdMap;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::pack::{Mark, Piece, capability, inside};
use crate::walk::{Descent, names, open_directory, reopen_directory, unless_gone};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is in both and differs.
    Modified,
    /// Only the container has it.
    Added,
    /// Only the image has it.
    Deleted,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// From the root, with a leading slash.
    pub path: Vec<u8>,
}

impl Change {
    /// What a layer says of it.
    pub fn into_piece(self) -> Piece {
        Piece {
            mark: match self.kind {
                ChangeKind::Deleted => Mark::Whiteout,
                ChangeKind::Modified | ChangeKind::Added => Mark::Present,
            },
            path: self.path,
        }
    }
}

/// How two trees are compared.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The user namespace of the container's tree; empty: the host's.
    pub ids: &'a [IdMap],
    /// An untouched file has the same inode in both.
    pub same_inodes: bool,
    /// Paths that are not compared, with a leading slash. Their directories
    /// are not said to be added or modified by them.
    pub ignored: &'a [&'a str],
}

/// A tree could not be read.
#[derive(Debug, thiserror::Error)]
#[error("compare {path:?}")]
pub struct ChangesError {
    path: String,
    source: std::io::Error,
}

impl ChangesError {
    pub(crate) fn new(path: &[u8], errno: Errno) -> Self {
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            source: errno.into(),
        }
    }
}

impl Kind for ChangesError {
    fn kind(&self) -> ErrorKind {
        crate::error::io_kind(&self.source)
    }
}

type Names = Peekable<std::vec::IntoIter<Vec<u8>>>;

/// One directory being compared.
struct Level {
    old: Option<Names>,
    new: Names,
    /// Where it is in the list for the sake of what is in it; it goes when
    /// nothing follows.
    tentative: Option<usize>,
}

struct Walk<'a> {
    how: Comparison<'a>,
    old: Descent,
    new: Descent,
    levels: Vec<Level>,
    path: Vec<u8>,
    changes: Vec<Change>,
}

/// The differences, in the order of a walk: a directory before what is in it.
pub fn compare(
    image: BorrowedFd<'_>,
    container: BorrowedFd<'_>,
    how: Comparison<'_>,
) -> Result<Vec<Change>, ChangesError> {
    let mut walk = Walk {
        how,
        old: Descent::default(),
        new: Descent::default(),
        levels: Vec::new(),
        path: Vec::new(),
        changes: Vec::new(),
    };
    walk.run(image, container)
        .map_err(|errno| ChangesError::new(&walk.path, errno))?;
    Ok(walk.changes)
}

impl Walk<'_> {
    fn run(&mut self, image: BorrowedFd<'_>, container: BorrowedFd<'_>) -> Result<(), Errno> {
        let old = reopen_directory(image)?;
        let new = reopen_directory(container)?;
        // The root itself is never listed.
        self.enter(Some(old), new, true)?;
        while let Some(level) = self.levels.last_mut() {
            let old = level.old.as_mut().and_then(|names| names.peek().cloned());
            match (old, level.new.peek().cloned()) {
                (None, None) => self.leave()?,
                (old, new) => self.step(old, new)?,
            }
        }
        Ok(())
    }

    /// Compares the first of the names left on both sides.
    fn step(&mut self, old: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Result<(), Errno> {
        let order = match (&old, &new) {
            (Some(old), Some(new)) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let name = if order == Ordering::Less { old } else { new }.unwrap_or_default();
        if let Some(level) = self.levels.last_mut() {
            if order != Ordering::Greater {
                level.old.as_mut().and_then(Iterator::next);
            }
            if order != Ordering::Less {
                level.new.next();
            }
        }
        let length = self.path.len();
        self.path.push(b'/');
        self.path.extend_from_slice(&name);
        let entered = if self.is_ignored() {
            false
        } else {
            self.differ(&name, order)?
        };
        if !entered {
            self.path.truncate(length);
        }
        Ok(())
    }

    /// Whether a directory was entered.
    fn differ(&mut self, name: &[u8], order: Ordering) -> Result<bool, Errno> {
        let old = match (order, self.old.here()) {
            (Ordering::Greater, _) | (_, None) => None,
            (_, Some(dir)) => look(dir, name)?,
        };
        let new = match (order, self.new.here()) {
            (Ordering::Less, _) | (_, None) => None,
            (_, Some(dir)) => look(dir, name)?,
        };
        let (kind, new) = match (&old, new) {
            (None, None) => return Ok(false),
            (Some(_), None) => {
                self.add(ChangeKind::Deleted);
                return Ok(false);
            }
            (None, Some(new)) => (Some(ChangeKind::Added), new),
            (Some(old), Some(new)) => {
                let differs = self.is_different(name, old, &new)?;
                (differs.then_some(ChangeKind::Modified), new)
            }
        };
        // A directory that only holds what is not compared is none of the container's.
        let kind = kind.filter(|kind| !(*kind == ChangeKind::Added && self.holds_ignored()));
        if let Some(kind) = kind {
            self.add(kind);
        }
        if !is_dir(&new) {
            return Ok(false);
        }
        let Some(new) = self.new.here().map(|dir| open_directory(dir, name)) else {
            return Ok(false);
        };
        let Some(new) = unless_gone(new)? else {
            return Ok(false);
        };
        let old = match (old.filter(is_dir), self.old.here()) {
            (Some(_), Some(dir)) => unless_gone(open_directory(dir, name))?,
            _ => None,
        };
        self.enter(old, new, kind.is_some())?;
        Ok(true)
    }

    fn enter(&mut self, old: Option<OwnedFd>, new: OwnedFd, listed: bool) -> Result<(), Errno> {
        let tentative = (!listed).then_some(self.changes.len());
        if tentative.is_some() {
            self.add(ChangeKind::Modified);
        }
        let new_names = names(new.as_fd())?.into_iter().peekable();
        let stat = fs::fstat(&new)?;
        self.new.enter(new, &stat);
        let old_names = match old {
            Some(old) => {
                let found = names(old.as_fd())?.into_iter().peekable();
                let stat = fs::fstat(&old)?;
                self.old.enter(old, &stat);
                Some(found)
            }
            None => None,
        };
        self.levels.push(Level {
            old: old_names,
            new: new_names,
            tentative,
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Errno> {
        let Some(level) = self.levels.pop() else {
            return Ok(());
        };
        self.new.leave()?;
        if level.old.is_some() {
            self.old.leave()?;
        }
        if level
            .tentative
            .is_some_and(|at| at + 1 == self.changes.len())
        {
            self.changes.pop();
        }
        let slash = self.path.iter().rposition(|b| *b == b'/').unwrap_or(0);
        self.path.truncate(slash);
        Ok(())
    }

    fn add(&mut self, kind: ChangeKind) {
        self.changes.push(Change {
            kind,
            path: self.path.clone(),
        });
    }

    fn is_ignored(&self) -> bool {
        self.how.ignored.iter().any(|i| i.as_bytes() == self.path)
    }

    /// Whether a path that is not compared is below.
    fn holds_ignored(&self) -> bool {
        let below = |ignored: &&str| {
            let rest = ignored.as_bytes().strip_prefix(&self.path[..]);
            rest.is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.how.ignored.iter().any(below)
    }

    fn is_different(&self, name: &[u8], old: &Stat, new: &Stat) -> Result<bool, Errno> {
        let owner =
            |stat: &Stat, ids: &[IdMap]| (inside(ids, stat.st_uid), inside(ids, stat.st_gid));
        if old.st_mode != new.st_mode
            || owner(old, &[]) != owner(new, self.how.ids)
            || old.st_rdev != new.st_rdev
        {
            return Ok(true);
        }
        let modified = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
        if is_dir(new) {
            // Mount points that were made in it change its time.
            return Ok(modified(old) != modified(new) && !self.holds_ignored());
        }
        let changed = |stat: &Stat| (stat.st_ctime, stat.st_ctime_nsec, stat.st_ino);
        if changed(old) == changed(new) {
            return Ok(false);
        }
        if self.how.same_inodes || old.st_size != new.st_size || modified(old) != modified(new) {
            return Ok(true);
        }
        if FileType::from_raw_mode(new.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        let read = |descent: &Descent| match descent.here() {
            Some(dir) => file_capability(dir, name),
            None => Ok(None),
        };
        Ok(read(&self.old)? != read(&self.new)?)
    }
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn look(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    unless_gone(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))
}

/// By the magic link of a descriptor for the path alone: a device that came
/// in the file's place is not opened.
fn file_capability(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(handle) = unless_gone(fs::openat(dir, name, flags, Mode::empty()))? else {
        return Ok(None);
    };
    capability(&format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

#[cfg(test)]
mod tests;
