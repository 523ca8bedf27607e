//! A driver's root in a filesystem of its own.
//!
//! ```text
//! <data-root>/storage/<driver>/pool.img       a sparse file
//! <data-root>/storage/<driver>/pool.img.new   one that is being made
//! ```
//!
//! The file is a loop device as long as somebody has the filesystem mounted:
//! the daemon, as a detached mount that is the driver's root, and containers,
//! whose mounts outlive a daemon that is killed. The next daemon finds the
//! device by the file's inode and mounts the same filesystem again. With the
//! last mount the kernel takes the device away.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bulkhead_model::storage::{Pool, PoolFilesystem};
use bulkhead_sys::btrfs::{self, Quota};
use bulkhead_sys::directory::{rename_noreplace, unlinkat};
use bulkhead_sys::loop_device::{LoopDevice, Options, make_sparse};
use bulkhead_sys::mount::{Attributes, Context, clone_mount, move_mount};
use bulkhead_sys::namespace;
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use super::mounts::in_private_namespace;
use super::program::{self, Program};

const IMAGE: &str = "pool.img";
const NEW_IMAGE: &str = "pool.img.new";

/// Every disk takes blocks of this size directly.
const BLOCK: u32 = 4096;

/// A pool could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// It is larger than the file can be, or the disk too small for any.
    #[error("the disk has room for {0} bytes, a pool needs {min} at least", min = Pool::MIN_SIZE)]
    NoRoom(u64),
    /// The file is not what it was made as.
    #[error("{IMAGE} holds neither btrfs nor xfs")]
    UnknownFilesystem,
    /// A file beside the pool, or the program.
    #[error("{0}")]
    File(&'static str, #[source] io::Error),
    /// A system call.
    #[error("{0}")]
    Call(&'static str, #[source] bulkhead_sys::Error),
}

pub(super) fn call(step: &'static str) -> impl Fn(bulkhead_sys::Error) -> PoolError {
    move |source| PoolError::Call(step, source)
}

fn file(step: &'static str) -> impl Fn(io::Error) -> PoolError {
    move |source| PoolError::File(step, source)
}

/// Makes the pool in a driver's directory, unless it has one.
pub(crate) fn make(
    dir: &OwnedFd,
    filesystem: PoolFilesystem,
    size: Option<u64>,
) -> Result<(), PoolError> {
    if image(dir)?.is_some() {
        return Ok(());
    }
    let size = match size {
        Some(bytes) => bytes,
        None => fitting(dir)?,
    };
    let _ = unlinkat(dir, NEW_IMAGE);
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let made = open_beneath(dir, NEW_IMAGE, flags, 0o600).map_err(call("make the pool's file"))?;
    let made = File::from(made);
    let finish = || {
        make_sparse(&made, size).map_err(call("give the pool its size"))?;
        program::run(&program(filesystem), arguments(filesystem), made.as_fd())
            .map_err(call("make the pool's filesystem"))?;
        made.sync_all().map_err(file("write the pool"))?;
        rename_noreplace(dir, NEW_IMAGE, dir, IMAGE).map_err(call("name the pool"))?;
        sync(dir)
    };
    finish().inspect_err(|_| {
        let _ = unlinkat(dir, NEW_IMAGE);
    })
}

fn sync(dir: &OwnedFd) -> Result<(), PoolError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let dir = open_beneath(dir, ".", flags, 0).map_err(call("open the pool's folder"))?;
    File::from(dir)
        .sync_all()
        .map_err(file("sync the pool's folder"))
}

/// A filesystem on a full disk breaks; so the pool is what the disk can give,
/// and leaves something for blobs.
pub(super) fn fitting(dir: &OwnedFd) -> Result<u64, PoolError> {
    let room = bulkhead_sys::directory::free_space(dir).map_err(call("measure the disk"))?;
    let size = (room / 4 * 3).min(Pool::MAX_SIZE) & !((1 << 20) - 1);
    if size < Pool::MIN_SIZE {
        return Err(PoolError::NoRoom(room));
    }
    Ok(size)
}

fn program(filesystem: PoolFilesystem) -> Program {
    match filesystem {
        PoolFilesystem::Btrfs => program::MKFS_BTRFS,
        PoolFilesystem::Xfs => program::MKFS_XFS,
    }
}

fn arguments(filesystem: PoolFilesystem) -> &'static [&'static str] {
    match filesystem {
        // The disk below is as safe with one copy of the metadata as with two.
        PoolFilesystem::Btrfs => &[
            "-q",
            "-f",
            "-K",
            "--data=single",
            "--metadata=single",
            "--sectorsize=4096",
        ],
        PoolFilesystem::Xfs => &["-q", "-f", "-K", "-s", "size=4096", "-m", "reflink=1"],
    }
}

fn image(dir: &OwnedFd) -> Result<Option<File>, PoolError> {
    match open_beneath(dir, IMAGE, OFlag::O_RDWR | OFlag::O_NOFOLLOW, 0) {
        Ok(image) => Ok(Some(image.into())),
        Err(e) if e.io_kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(PoolError::Call("open the pool's file", e)),
    }
}

/// A pool that is mounted.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// Its root directory.
    pub(crate) root: OwnedFd,
    /// A mount namespace of its own that it is attached in, where the kernel
    /// makes no copies of mounts that are attached nowhere.
    pub(crate) home: Option<OwnedFd>,
}

/// Mounts the pool in a driver's directory; `None` without one.
pub(crate) fn open(dir: &OwnedFd, host_path: &Path) -> Result<Option<Mounted>, PoolError> {
    const ATTEMPTS: u32 = 50;
    let Some(image) = image(dir)? else {
        return Ok(None);
    };
    let filesystem = filesystem(&image)?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        match mount(&image, filesystem) {
            // The device of a daemon that just ended may be on its way out.
            Err(_) if attempt < ATTEMPTS && is_going(&image) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other.and_then(|root| settle(root, host_path)).map(Some),
        }
    }
}

/// Containers' roots are copies of parts of the pool's mount (`open_tree(2)`).
fn settle(root: OwnedFd, host_path: &Path) -> Result<Mounted, PoolError> {
    let home = match clone_mount(&root, false) {
        Err(e) if e.io_kind() == io::ErrorKind::InvalidInput => Some(attach(&root, host_path)?),
        _ => None,
    };
    Ok(Mounted { root, home })
}

/// Linux before 6.15: a namespace that only its descriptor keeps, in which
/// the mount covers the driver's directory.
fn attach(root: &OwnedFd, host_path: &Path) -> Result<OwnedFd, PoolError> {
    in_private_namespace(|| {
        move_mount(root, open_host_dir(host_path)?)?;
        namespace::current("mnt")
    })
    .map_err(call("attach the pool in a namespace"))
}

fn is_going(image: &File) -> bool {
    matches!(LoopDevice::of(image), Ok(None))
}

fn mount(image: &File, filesystem: PoolFilesystem) -> Result<OwnedFd, PoolError> {
    let device = match LoopDevice::of(image).map_err(call("look for the pool's device"))? {
        Some(device) => device,
        None => {
            let options = Options {
                block_size: BLOCK,
                read_only: false,
            };
            LoopDevice::attach(image, options).map_err(call("make the pool a loop device"))?
        }
    };
    let mount = || {
        let (name, discard) = match filesystem {
            PoolFilesystem::Btrfs => (c"btrfs", Some("async")),
            PoolFilesystem::Xfs => (c"xfs", None),
        };
        let context = Context::open_device(name, &device.path())?;
        // What is removed becomes a hole of the file again.
        match discard {
            Some(how) => context.set(c"discard", how)?,
            None => context.flag(c"discard")?,
        }
        context.mount(Attributes::NONE)
    };
    mount().map_err(call("mount the pool"))
}

/// What the file was made as, by its superblock.
fn filesystem(image: &File) -> Result<PoolFilesystem, PoolError> {
    // `btrfs-ondisk` and `xfs-filesystem-structure`: the magic numbers' places.
    let magics: [(PoolFilesystem, u64, &[u8]); 2] = [
        (PoolFilesystem::Btrfs, 0x1_0040, b"_BHRfS_M"),
        (PoolFilesystem::Xfs, 0, b"XFSB"),
    ];
    for (filesystem, at, magic) in magics {
        let mut found = vec![0; magic.len()];
        image
            .read_exact_at(&mut found, at)
            .map_err(file("read the pool's superblock"))?;
        if found == magic {
            return Ok(filesystem);
        }
    }
    Err(PoolError::UnknownFilesystem)
}

/// Begins to count the bytes of subvolumes, in the cheap way where the
/// filesystem is ours alone: older kernels cannot mount it any more then.
pub(super) fn enable_quota(root: &OwnedFd, subvolume: impl AsFd) -> bulkhead_sys::Result<()> {
    if btrfs::is_subvolume(root)? && btrfs::enable_quota(&subvolume, Quota::Simple).is_ok() {
        return Ok(());
    }
    btrfs::enable_quota(subvolume, Quota::Full)
}

#[cfg(test)]
mod tests;
