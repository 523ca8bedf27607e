//! What a container changed, read from the upper directory of its overlay
//! alone (kernel `Documentation/filesystems/overlayfs.rst`): everything that is
//! there was written; a character device 0:0 hides what is below; a directory
//! marked opaque hides all that is below it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::changes::ChangesError;
use crate::pack::{Mark, Piece};
use crate::root::open_in_root;
use crate::walk::{Descent, names, open_directory, reopen_directory, unless_gone};

const OPAQUE: &str = "trusted.overlay.opaque";
/// The content of such a file or directory is elsewhere.
const ELSEWHERE: [&str; 2] = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];

struct Walk<'a> {
    image: BorrowedFd<'a>,
    ignored: &'a [&'a str],
    dirs: Descent,
    /// The names left of each directory, and where the directory itself is in
    /// the list for the sake of what is in it alone.
    levels: Vec<(std::vec::IntoIter<Vec<u8>>, Option<usize>)>,
    path: Vec<u8>,
    pieces: Vec<Piece>,
    elsewhere: bool,
}

/// The layer that an upper directory is, over `image`, the layers below. Paths
/// that are `ignored` (with a leading slash) are left out, and their
/// directories when that is all there is to them. `None` when the directory
/// alone does not say it: a file's content or a directory's lies in a layer
/// below.
pub fn pieces(
    upper: BorrowedFd<'_>,
    image: BorrowedFd<'_>,
    ignored: &[&str],
) -> Result<Option<Vec<Piece>>, ChangesError> {
    let mut walk = Walk {
        image,
        ignored,
        dirs: Descent::default(),
        levels: Vec::new(),
        path: Vec::new(),
        pieces: Vec::new(),
        elsewhere: false,
    };
    walk.run(upper)
        .map_err(|errno| ChangesError::new(&walk.path, errno))?;
    Ok((!walk.elsewhere).then_some(walk.pieces))
}

impl Walk<'_> {
    fn run(&mut self, upper: BorrowedFd<'_>) -> Result<(), Errno> {
        self.enter(reopen_directory(upper)?, None)?;
        while let Some((left, tentative)) = self.levels.last_mut() {
            if self.elsewhere {
                return Ok(());
            }
            let Some(name) = left.next() else {
                if tentative.is_some_and(|at| at + 1 == self.pieces.len()) {
                    self.pieces.pop();
                }
                self.levels.pop();
                self.dirs.leave()?;
                let slash = self.path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                self.path.truncate(slash);
                continue;
            };
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(&name);
            if self.is_ignored() || !self.look(&name)? {
                self.path.truncate(length);
            }
        }
        Ok(())
    }

    /// Whether a directory was entered.
    fn look(&mut self, name: &[u8]) -> Result<bool, Errno> {
        let Some(dir) = self.dirs.here() else {
            return Ok(false);
        };
        let Some(stat) = unless_gone(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))? else {
            return Ok(false);
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Socket => return Ok(false),
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                self.add(Mark::Whiteout);
                return Ok(false);
            }
            _ => {}
        }
        if matches!(kind, FileType::Directory | FileType::RegularFile) {
            for attribute in ELSEWHERE {
                self.elsewhere |= value(dir, name, attribute)?.is_some();
            }
        }
        if kind != FileType::Directory {
            self.add(Mark::Present);
            return Ok(false);
        }
        let opaque = match value(dir, name, OPAQUE)? {
            None => false,
            Some(b'y') => true,
            // `x`: some whiteouts in it are attributes.
            Some(_) => {
                self.elsewhere = true;
                false
            }
        };
        let Some(child) = unless_gone(open_directory(dir, name))? else {
            return Ok(false);
        };
        let tentative = (self.holds_ignored() && !opaque && self.is_as_below(&stat)?)
            .then_some(self.pieces.len());
        self.add(if opaque { Mark::Opaque } else { Mark::Present });
        self.enter(child, tentative)?;
        Ok(true)
    }

    fn enter(&mut self, dir: OwnedFd, tentative: Option<usize>) -> Result<(), Errno> {
        let found = names(dir.as_fd())?;
        let stat = fs::fstat(&dir)?;
        self.dirs.enter(dir, &stat);
        self.levels.push((found.into_iter(), tentative));
        Ok(())
    }

    fn add(&mut self, mark: Mark) {
        self.pieces.push(Piece {
            mark,
            path: self.path.clone(),
        });
    }

    fn is_ignored(&self) -> bool {
        self.ignored.iter().any(|i| i.as_bytes() == self.path)
    }

    fn holds_ignored(&self) -> bool {
        let below = |ignored: &&str| {
            let rest = ignored.as_bytes().strip_prefix(&self.path[..]);
            rest.is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.ignored.iter().any(below)
    }

    /// Whether the directory is as in the image, or was made for the sake of
    /// what is ignored.
    fn is_as_below(&self, stat: &Stat) -> Result<bool, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::NO_SYMLINKS;
        let found = open_in_root(self.image, &self.path, flags, within);
        let Some(below) = unless_gone(found)? else {
            return Ok(true);
        };
        let below = fs::fstat(&below)?;
        let shown = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid);
        Ok(shown(stat) == shown(&below))
    }
}

/// The first byte of an attribute's value, 0 for an empty one.
fn value(dir: BorrowedFd<'_>, name: &[u8], attribute: &str) -> Result<Option<u8>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(file) = unless_gone(fs::openat(dir, name, flags, Mode::empty()))? else {
        return Ok(None);
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut value = [0; 256];
    match fs::getxattr(path, attribute, &mut value[..]) {
        Ok(length) => Ok(Some(if length == 0 { 0 } else { value[0] })),
        Err(Errno::RANGE) => Ok(Some(value[0])),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
