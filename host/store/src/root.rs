//! A root directory whose content is not ours, by descriptor, and what a path
//! means in it.
//!
//! Every path is resolved by openat2(2) with `RESOLVE_IN_ROOT`: absolute and
//! climbing links mean what they mean inside, magic links are refused. What
//! was found is held by its descriptor; nothing is looked up by name twice.
//! Opening for its path alone (`O_PATH`) never blocks, whatever it is.
//!
//! The kernel's own filesystems (proc, sysfs, cgroup, …) appear as empty
//! directories: their files are no content of a container, and some do
//! things when they are read or written by the host's root.

mod links;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use bulkhead_model::archive_path::{self, absolute, split};
use bulkhead_model::error::{ErrorKind, Kind};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

/// A path could not be found, or is not what it has to be.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Nothing is there.
    #[error("Could not find the file {0}")]
    NotFound(String),
    /// Something on the way, or at a path that ends in a slash, is no directory.
    #[error("lstat {0}: not a directory")]
    NotADirectory(String),
    /// Files are to be put into something else.
    #[error("extraction point is not a directory")]
    ExtractionPoint,
    /// The root filesystem takes no files.
    #[error("container rootfs is marked read-only")]
    ReadOnly,
    /// What is mounted there takes no files.
    #[error("mounted volume is marked read-only")]
    ReadOnlyVolume,
    /// The kernel's own filesystems take no files.
    #[error("{0} belongs to the kernel and takes no files")]
    KernelFilesystem(String),
    /// A system call failed.
    #[error("look at {path}")]
    Io {
        /// The path inside.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Kind for RootError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::NotADirectory(_) | Self::ExtractionPoint => ErrorKind::InvalidArgument,
            Self::ReadOnly | Self::ReadOnlyVolume | Self::KernelFilesystem(_) => {
                ErrorKind::Forbidden
            }
            Self::Io { source, .. } => crate::error::io_kind(source),
        }
    }
}

/// A root directory.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    pub(crate) fd: BorrowedFd<'a>,
}

/// Something in a root directory.
#[derive(Debug)]
pub struct Found {
    /// It itself, be it a symlink; opened for its path alone.
    pub(crate) file: OwnedFd,
    pub(crate) stat: Stat,
    /// The path that was asked for, from the root.
    pub(crate) path: String,
    /// Its content is the kernel's and is not shown.
    pub(crate) hidden: bool,
}

/// What a client is told of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The last component of what was asked for: `.` for a directory's content.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Type and permission bits, as `stat(2)` has them.
    pub mode: u32,
    /// Modification time: seconds since the epoch and nanoseconds.
    pub mtime: (i64, u32),
    /// Where a symlink leads in the end, from the root; empty for others.
    pub link_target: String,
}

impl<'a> Root<'a> {
    /// The root directory that `fd` is of.
    pub fn new(fd: BorrowedFd<'a>) -> Self {
        Self { fd }
    }

    /// What a client's path means: a symlink at its end is meant itself,
    /// unless the path ends in a slash or `/.`.
    pub fn find(&self, path: &str) -> Result<Found, RootError> {
        let path = absolute(path);
        let (above, name) = split(&path);
        let failed = |e| failed(&path, e);
        let parent = self.directory(OsStr::new(above)).map_err(failed)?;
        let file = match name {
            "" | "." => parent,
            name => fs::openat(
                &parent,
                name,
                OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(failed)?,
        };
        let stat = fs::fstat(&file).map_err(failed)?;
        let hidden = is_kernels(file.as_fd()).map_err(failed)?;
        if hidden && !is_mount_point(file.as_fd()).map_err(failed)? {
            return Err(RootError::NotFound(path));
        }
        Ok(Found {
            file,
            stat,
            path,
            hidden,
        })
    }

    /// A directory that files are to be put into; links are followed.
    pub fn find_destination(&self, path: &str) -> Result<Destination<'a>, RootError> {
        let path = absolute(path);
        let failed = |e| failed(&path, e);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let dir = match self.open(OsStr::new(&path), flags) {
            Err(Errno::NOTDIR) => return Err(RootError::ExtractionPoint),
            other => other.map_err(failed)?,
        };
        let stat = fs::fstat(&dir).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(RootError::ExtractionPoint);
        }
        if is_kernels(dir.as_fd()).map_err(failed)? {
            return Err(RootError::KernelFilesystem(path));
        }
        let flags = fs::fstatvfs(&dir).map_err(failed)?.f_flag;
        if flags.contains(StatVfsMountFlags::RDONLY) {
            let same =
                mount_id(dir.as_fd()).map_err(failed)? == mount_id(self.fd).map_err(failed)?;
            return Err(if same {
                RootError::ReadOnly
            } else {
                RootError::ReadOnlyVolume
            });
        }
        Ok(Destination {
            root: self.fd,
            path,
        })
    }

    fn directory(&self, path: &OsStr) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)
    }

    fn open(&self, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_in_root(self.fd, path.as_bytes(), flags, ResolveFlags::empty())
    }
}

/// A directory of a root that takes files.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    pub(crate) root: BorrowedFd<'a>,
    pub(crate) path: String,
}

impl Found {
    /// What a client is told of it.
    pub fn path_stat(&self, root: Root<'_>) -> Result<PathStat, RootError> {
        let is_link = FileType::from_raw_mode(self.stat.st_mode) == FileType::Symlink;
        let link_target = if is_link {
            let target = links::follow(root, self.path.as_bytes());
            let target = target.map_err(|e| failed(&self.path, e))?;
            String::from_utf8_lossy(&target).into_owned()
        } else {
            String::new()
        };
        Ok(PathStat {
            name: archive_path::base(&self.path).to_owned(),
            size: self.stat.st_size.try_into().unwrap_or(0),
            mode: self.stat.st_mode,
            mtime: (
                self.stat.st_mtime,
                u32::try_from(self.stat.st_mtime_nsec).unwrap_or(0),
            ),
            link_target,
        })
    }
}

fn failed(path: &str, errno: Errno) -> RootError {
    match errno {
        Errno::NOENT => RootError::NotFound(path.to_owned()),
        Errno::NOTDIR => RootError::NotADirectory(path.to_owned()),
        errno => RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        },
    }
}

/// openat2(2) as a process chrooted into `root` would open, without magic links.
pub(crate) fn open_in_root(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    also: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | also;
    loop {
        match fs::openat2(root, path, flags, Mode::empty(), within) {
            // A rename or mount somewhere on the machine made a `..` uncertain.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Filesystems whose files are the kernel's (`linux/magic.h`).
pub(crate) fn is_kernels(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    const CGROUP: i64 = 0x0027_e0eb;
    const CGROUP2: i64 = 0x6367_7270;
    const DEBUGFS: i64 = 0x6462_6720;
    const TRACEFS: i64 = 0x7472_6163;
    const SECURITYFS: i64 = 0x7363_6673;
    const BPF: i64 = 0xcafe_4a11;
    const CONFIGFS: i64 = 0x6265_6570;
    const SELINUX: i64 = 0xf97c_ff8c;
    const EFIVARFS: i64 = 0xde5e_81e4;
    const MQUEUE: i64 = 0x1980_0202;
    let found = fs::fstatfs(file)?.f_type as i64 & 0xffff_ffff;
    Ok([
        PROC, SYSFS, CGROUP, CGROUP2, DEBUGFS, TRACEFS, SECURITYFS, BPF, CONFIGFS, SELINUX,
        EFIVARFS, MQUEUE,
    ]
    .contains(&found))
}

fn is_mount_point(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    let found = fs::statx(file, "", AtFlags::EMPTY_PATH, fs::StatxFlags::TYPE)?;
    Ok(found
        .stx_attributes
        .contains(fs::StatxAttributes::MOUNT_ROOT))
}

fn mount_id(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    Ok(fs::statx(file, "", AtFlags::EMPTY_PATH, fs::StatxFlags::MNT_ID)?.stx_mnt_id)
}

#[cfg(test)]
mod tests;
