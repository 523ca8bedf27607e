//! The data root's directories, their modes, and the lock that keeps two
//! daemons out of one root.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::StoreError;

/// Directories below the root with their modes. Layers hold setuid programs
/// and device nodes, so nobody but the daemon may walk into `storage`; a
/// volume's path is walked by whoever the user lets see `_data`.
const DIRECTORIES: [(&str, u32); 6] = [
    ("blobs", 0o700),
    ("blobs/sha256", 0o700),
    ("storage", 0o700),
    ("containers", 0o700),
    ("volumes", 0o711),
    ("staging", 0o700),
];
const ROOT_MODE: u32 = 0o711;
const LOCK: &str = "lock";

/// How long another holder of the lock may take to let it go.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// An opened and locked data root.
#[derive(Debug)]
pub(crate) struct DataRoot {
    path: PathBuf,
    dir: OwnedFd,
    /// Holds the flock(2) for as long as the store lives.
    _lock: OwnedFd,
}

impl DataRoot {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|e| StoreError::io("create", path, e))?;
        let path = path
            .canonicalize()
            .map_err(|e| StoreError::io("resolve", path, e))?;
        let dir = open_directory(fs::CWD, &path, &path)?;
        claim(dir.as_fd(), &path, ROOT_MODE)?;
        let lock = lock(dir.as_fd(), &path)?;
        for (name, mode) in DIRECTORIES {
            make_directory(dir.as_fd(), name, mode, &path)?;
        }
        Ok(Self {
            path,
            dir,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory below the root; `O_NOFOLLOW` in its last component.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<OwnedFd, StoreError> {
        open_directory(self.dir.as_fd(), Path::new(name), &self.path.join(name))
    }

    /// Makes sure a directory below the root exists with exactly this mode.
    pub(crate) fn make(&self, name: &str, mode: u32) -> Result<OwnedFd, StoreError> {
        make_directory(self.dir.as_fd(), name, mode, &self.path)
    }

    /// Writes everything of the root's filesystem to the disk, and that of
    /// the given directories where they are other mounts. Errors of earlier
    /// writeback are reported too (syncfs(2), since Linux 5.8).
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let mut synced = Vec::new();
        self.sync_once(&self.dir, Path::new(""), &mut synced)?;
        for (name, _) in DIRECTORIES {
            self.sync_once(&self.subdirectory(name)?, Path::new(name), &mut synced)?;
        }
        let storage = self.path.join("storage");
        let drivers =
            std::fs::read_dir(&storage).map_err(|e| StoreError::io("list", &storage, e))?;
        for driver in drivers
            .flatten()
            .filter(|d| d.file_type().is_ok_and(|t| t.is_dir()))
        {
            let name = Path::new("storage").join(driver.file_name());
            let dir = open_directory(self.dir.as_fd(), &name, &driver.path())?;
            self.sync_once(&dir, &name, &mut synced)?;
        }
        Ok(())
    }

    fn sync_once(
        &self,
        dir: &OwnedFd,
        name: &Path,
        synced: &mut Vec<u64>,
    ) -> Result<(), StoreError> {
        let failed = |operation| {
            let path = self.path.join(name);
            move |e: Errno| StoreError::io(operation, path, e)
        };
        let device = fs::fstat(dir).map_err(failed("stat"))?.st_dev;
        if synced.contains(&device) {
            return Ok(());
        }
        fs::syncfs(dir).map_err(failed("syncfs"))?;
        synced.push(device);
        Ok(())
    }
}

fn open_directory(at: impl AsFd, name: &Path, shown: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(at, name, flags, Mode::empty()).map_err(|e| StoreError::io("open", shown, e))
}

fn make_directory(
    root: BorrowedFd<'_>,
    name: &str,
    mode: u32,
    root_path: &Path,
) -> Result<OwnedFd, StoreError> {
    let shown = root_path.join(name);
    match fs::mkdirat(root, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(StoreError::io("create", shown, e)),
    }
    let dir = open_directory(root, Path::new(name), &shown)?;
    claim(dir.as_fd(), &shown, mode)?;
    Ok(dir)
}

/// The directory must be ours, and gets exactly `mode` (the umask, or someone
/// since, may have made it otherwise).
fn claim(dir: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<(), StoreError> {
    let stat = fs::fstat(dir).map_err(|e| StoreError::io("stat", path, e))?;
    let expected = rustix::process::geteuid().as_raw();
    if stat.st_uid != expected {
        return Err(StoreError::ForeignOwner {
            path: path.into(),
            owner: stat.st_uid,
            expected,
        });
    }
    if stat.st_mode & 0o7777 != mode {
        fs::fchmod(dir, Mode::from_raw_mode(mode)).map_err(|e| StoreError::io("chmod", path, e))?;
    }
    Ok(())
}

/// flock(2) is released by the kernel when the daemon dies, however it dies,
/// so a stale lock cannot exist; the pid inside is for the error text only.
/// A child that the dead daemon was just spawning shares the lock until its
/// exec closes the descriptor: that is waited for.
fn lock(root: BorrowedFd<'_>, root_path: &Path) -> Result<OwnedFd, StoreError> {
    let path = root_path.join(LOCK);
    let failed = |operation| {
        let path = path.clone();
        move |e: Errno| StoreError::io(operation, path, e)
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::openat(root, LOCK, flags, Mode::from_raw_mode(0o600)).map_err(failed("open"))?;
    let mut file = File::from(fd);
    match flock_within(&file, LOCK_PATIENCE) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = (&mut file).take(20).read_to_string(&mut pid);
            return Err(StoreError::Locked {
                root: root_path.into(),
                pid: pid.trim().to_owned(),
            });
        }
        Err(e) => return Err(failed("lock")(e)),
    }
    file.set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(|e| StoreError::io("write", &path, e))?;
    Ok(file.into())
}

fn flock_within(file: &File, limit: Duration) -> Result<(), Errno> {
    let deadline = Instant::now() + limit;
    loop {
        match fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

/// Removes a tree below `parent`; a missing one is fine. Used for directories
/// no container can reach any more.
pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path, e))
        }
        _ => Ok(()),
    }
}

/// Whether `name` is one safe path component.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StoreError> {
    match bulkhead_model::storage::DirName::new(name) {
        Some(_) if name.as_bytes()[0].is_ascii_alphanumeric() => Ok(()),
        _ => Err(StoreError::InvalidName {
            what,
            name: name.chars().take(100).collect(),
        }),
    }
}

/// unlinkat(2); a missing file is fine.
pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &str, shown: &Path) -> Result<(), StoreError> {
    match fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(StoreError::io("remove", shown.join(name), e)),
    }
}
