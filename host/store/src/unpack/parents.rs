//! Directories of the destination, by their names in the archive.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::error::UnpackError;
use super::path::split;
use crate::root::{is_kernels, open_in_root};

/// Descriptors kept open. Archives list a directory's entries together, so a
/// few suffice; the daemon may unpack several layers at once.
const KEPT: usize = 32;

/// Resolves and remembers parent directories.
pub(super) struct Parents<'a> {
    root: BorrowedFd<'a>,
    reach: Reach<'a>,
    open: HashMap<Vec<u8>, Rc<OwnedFd>>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, reach: Reach<'a>) -> Self {
        Self {
            root,
            reach,
            open: HashMap::with_capacity(KEPT),
        }
    }

    /// The directory `path` (clean; empty is the root), made with mode 0755
    /// where it is missing, as Docker does for directories an archive implies.
    pub(super) fn make(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, UnpackError> {
        if let Some(dir) = self.find(path)? {
            return Ok(dir);
        }
        if path.is_empty() {
            // The container moved the destination itself away.
            return Err(UnpackError::io("open directory", path, Errno::NOENT));
        }
        let (above, name) = split(path);
        let parent = self.make(above)?;
        match fs::mkdirat(&*parent, name, Mode::from_raw_mode(0o755)) {
            // Whatever the umask is; by descriptor, because the name may mean
            // a link by now.
            Ok(()) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                fs::openat(&*parent, name, flags, Mode::empty())
                    .and_then(|dir| fs::fchmod(dir, Mode::from_raw_mode(0o755)))
                    .map_err(|e| UnpackError::io("chmod", path, e))?;
            }
            // A dangling link: openat2 below says so.
            Err(Errno::EXIST) => {}
            Err(e) => return Err(UnpackError::io("mkdir", path, e)),
        }
        self.find(path)?
            .ok_or_else(|| UnpackError::io("open directory", path, Errno::NOENT))
    }

    /// The directory `path`, or `None` when it is missing.
    pub(super) fn find(&mut self, path: &[u8]) -> Result<Option<Rc<OwnedFd>>, UnpackError> {
        if let Some(dir) = self.open.get(path) {
            return Ok(Some(Rc::clone(dir)));
        }
        match self.reach.resolve(self.root, path) {
            Ok(dir) => Ok(Some(self.keep(path, dir))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(UnpackError::io("open directory", path, e)),
        }
    }

    /// Remembers a directory that was just made or opened.
    pub(super) fn keep(&mut self, path: &[u8], dir: OwnedFd) -> Rc<OwnedFd> {
        if self.open.len() >= KEPT {
            self.open.clear();
        }
        let dir = Rc::new(dir);
        self.open.insert(path.to_owned(), Rc::clone(&dir));
        dir
    }

    /// To be called when a directory or a symlink was removed: names may lead
    /// elsewhere from now on.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }
}

/// What names of an archive may lead to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a> {
    /// A layer's own directory, no mount in it.
    Layer,
    /// A directory of a container, by its path from the container's root, as
    /// which links mean it; its mounts, too, but nothing of the kernel's.
    Container(&'a [u8]),
}

impl Reach<'_> {
    /// openat2(2) as if `root` were the root directory: symlinks, absolute ones
    /// and `..` included, cannot lead out; magic links are refused.
    fn resolve(self, root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match self {
            Self::Layer => open_in_root(root, path, flags, ResolveFlags::NO_XDEV),
            Self::Container(base) => {
                let path = [base, b"/", path].concat();
                let dir = open_in_root(root, &path, flags, ResolveFlags::empty())?;
                if is_kernels(dir.as_fd())? {
                    return Err(Errno::PERM);
                }
                Ok(dir)
            }
        }
    }
}
