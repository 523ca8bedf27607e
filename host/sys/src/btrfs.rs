//! Btrfs: subvolumes, their snapshots and limits (`linux/btrfs.h`,
//! `btrfs-subvolume(8)`, `btrfs-quota(8)`).

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use crate::directory::{BTRFS_MAGIC, chmod_fd, filesystem_magic, stat_fd};
use crate::error::{Error, Result, check};
use crate::path::{OFlag, c_name, open_beneath};

/// Of every subvolume's root directory, and of no other file
/// (BTRFS_FIRST_FREE_OBJECTID).
const ROOT_INODE: u64 = 256;
const NAME_MAX: usize = 4039;
const RDONLY: u64 = 1 << 1;

/// `struct btrfs_ioctl_vol_args_v2`
#[repr(C)]
struct VolumeArguments {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; NAME_MAX + 1],
}

/// `struct btrfs_ioctl_get_subvol_info_args`
#[repr(C)]
struct SubvolumeInfo {
    tree: u64,
    name: [u8; 256],
    others: [u64; 30],
}

/// `struct btrfs_ioctl_quota_ctl_args`
#[repr(C)]
struct QuotaControl {
    command: u64,
    status: u64,
}

/// `struct btrfs_ioctl_qgroup_create_args`
#[repr(C)]
struct QgroupCreate {
    create: u64,
    id: u64,
}

/// `struct btrfs_ioctl_qgroup_limit_args`
#[repr(C)]
#[derive(Default)]
struct QgroupLimit {
    id: u64,
    flags: u64,
    max_referenced: u64,
    max_exclusive: u64,
    reserved_referenced: u64,
    reserved_exclusive: u64,
}

const MAGIC: u64 = 0x94;

/// The number of an ioctl (`asm-generic/ioctl.h`): its direction (1 write, 2
/// read), number and argument.
const fn number<T>(direction: u64, nr: u64) -> libc::Ioctl {
    ((direction << 30) | ((size_of::<T>() as u64) << 16) | (MAGIC << 8) | nr) as libc::Ioctl
}

const SNAP_CREATE_V2: libc::Ioctl = number::<VolumeArguments>(1, 23);
const SUBVOL_CREATE_V2: libc::Ioctl = number::<VolumeArguments>(1, 24);
const SUBVOL_GETFLAGS: libc::Ioctl = number::<u64>(2, 25);
const SUBVOL_SETFLAGS: libc::Ioctl = number::<u64>(1, 26);
const QUOTA_CTL: libc::Ioctl = number::<QuotaControl>(3, 40);
const QGROUP_CREATE: libc::Ioctl = number::<QgroupCreate>(1, 42);
const QGROUP_LIMIT: libc::Ioctl = number::<QgroupLimit>(2, 43);
const QUOTA_RESCAN_WAIT: libc::Ioctl = number::<()>(0, 46);
const GET_SUBVOL_INFO: libc::Ioctl = number::<SubvolumeInfo>(2, 60);
const SNAP_DESTROY_V2: libc::Ioctl = number::<VolumeArguments>(1, 63);

const _: () = assert!(size_of::<VolumeArguments>() == 4096);
const _: () = assert!(size_of::<SubvolumeInfo>() == 504);
const _: () = assert!(size_of::<QgroupLimit>() == 48);

fn control<T>(
    fd: impl AsFd,
    number: libc::Ioctl,
    argument: &mut T,
    call: &'static str,
    shown: impl ToString,
) -> Result<()> {
    // SAFETY: the argument has the kernel's layout for this number, is
    // writable and outlives the call.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), number, argument as *mut T) };
    check(result.into(), call, shown).map(drop)
}

fn arguments(name: &Path, fd: i64, flags: u64) -> Result<VolumeArguments> {
    let text = c_name(name)?;
    let bytes = text.as_bytes();
    if bytes.len() > 255 {
        let errno = nix::errno::Errno::ENAMETOOLONG;
        return Err(Error::new("subvolume", name.display(), errno));
    }
    let mut arguments = VolumeArguments {
        fd,
        transid: 0,
        flags,
        unused: [0; 4],
        name: [0; NAME_MAX + 1],
    };
    arguments.name[..bytes.len()].copy_from_slice(bytes);
    Ok(arguments)
}

/// Whether an open directory is the root of a subvolume.
pub fn is_subvolume(dir: impl AsFd) -> Result<bool> {
    Ok(stat_fd(&dir)?.st_ino == ROOT_INODE && filesystem_magic(dir)? == BTRFS_MAGIC)
}

/// BTRFS_IOC_SUBVOL_CREATE_V2: an empty subvolume with exactly these
/// permission bits. `dir` is open for reading, not as O_PATH.
pub fn create_subvolume(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<()> {
    let name = name.as_ref();
    let mut wanted = arguments(name, 0, 0)?;
    let shown = name.display();
    control(
        &dir,
        SUBVOL_CREATE_V2,
        &mut wanted,
        "BTRFS_IOC_SUBVOL_CREATE_V2",
        shown,
    )?;
    let made = open_beneath(&dir, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
    chmod_fd(&made, mode & 0o7777)
}

/// BTRFS_IOC_SNAP_CREATE_V2: a snapshot of the subvolume that `source` is the
/// root of, as `name` in `dir`.
///
/// # Errors
/// EINVAL when `source` is no subvolume, EXDEV across filesystems.
pub fn snapshot_subvolume(
    source: impl AsFd,
    dir: impl AsFd,
    name: impl AsRef<Path>,
    read_only: bool,
) -> Result<()> {
    let flags = if read_only { RDONLY } else { 0 };
    let name = name.as_ref();
    let mut wanted = arguments(name, source.as_fd().as_raw_fd().into(), flags)?;
    control(
        dir,
        SNAP_CREATE_V2,
        &mut wanted,
        "BTRFS_IOC_SNAP_CREATE_V2",
        name.display(),
    )
}

/// BTRFS_IOC_SNAP_DESTROY_V2: the subvolume is gone at once, its space in the
/// background.
///
/// # Errors
/// ENOTEMPTY when there is another subvolume in it.
pub fn destroy_subvolume(dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    let name = name.as_ref();
    let mut wanted = arguments(name, 0, 0)?;
    control(
        dir,
        SNAP_DESTROY_V2,
        &mut wanted,
        "BTRFS_IOC_SNAP_DESTROY_V2",
        name.display(),
    )
}

/// BTRFS_IOC_SUBVOL_SETFLAGS: whether nothing in a subvolume can be changed.
pub fn set_read_only(subvolume: impl AsFd, read_only: bool) -> Result<()> {
    let mut flags = 0u64;
    control(
        &subvolume,
        SUBVOL_GETFLAGS,
        &mut flags,
        "BTRFS_IOC_SUBVOL_GETFLAGS",
        "",
    )?;
    let mut wanted = if read_only {
        flags | RDONLY
    } else {
        flags & !RDONLY
    };
    let shown = format_args!("{wanted:#x}");
    let shown = shown.to_string();
    control(
        subvolume,
        SUBVOL_SETFLAGS,
        &mut wanted,
        "BTRFS_IOC_SUBVOL_SETFLAGS",
        shown,
    )
}

/// The number of the subvolume that an open file is in
/// (BTRFS_IOC_GET_SUBVOL_INFO, Linux 4.18).
pub fn subvolume_id(file: impl AsFd) -> Result<u64> {
    let mut info = SubvolumeInfo {
        tree: 0,
        name: [0; 256],
        others: [0; 30],
    };
    control(
        file,
        GET_SUBVOL_INFO,
        &mut info,
        "BTRFS_IOC_GET_SUBVOL_INFO",
        "",
    )?;
    Ok(info.tree)
}

/// How the filesystem counts its subvolumes' bytes (`btrfs-quota(8)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Shared and exclusive bytes; costs with every snapshot.
    Full,
    /// What each subvolume wrote; cheap (Linux 6.7). Older kernels cannot
    /// mount the filesystem any more.
    Simple,
}

/// BTRFS_IOC_QUOTA_CTL: counting begins; what is counted already goes on.
pub fn enable_quota(file: impl AsFd, quota: Quota) -> Result<()> {
    let command = match quota {
        Quota::Full => 1,
        Quota::Simple => 4,
    };
    let mut wanted = QuotaControl { command, status: 0 };
    control(
        &file,
        QUOTA_CTL,
        &mut wanted,
        "BTRFS_IOC_QUOTA_CTL",
        format_args!("{quota:?}"),
    )?;
    // SAFETY: an ioctl without an argument.
    let result = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), QUOTA_RESCAN_WAIT) };
    check(result.into(), "BTRFS_IOC_QUOTA_RESCAN_WAIT", "").map(drop)
}

/// BTRFS_IOC_QGROUP_LIMIT: a subvolume may hold so many bytes of its own;
/// writing more is EDQUOT.
///
/// # Errors
/// ENOTCONN while the filesystem does not count.
pub fn limit_subvolume(subvolume: impl AsFd, bytes: u64) -> Result<()> {
    const MAX_EXCLUSIVE: u64 = 1 << 1;
    let mut wanted = QgroupLimit {
        id: subvolume_id(&subvolume)?,
        flags: MAX_EXCLUSIVE,
        max_exclusive: bytes,
        ..QgroupLimit::default()
    };
    control(
        subvolume,
        QGROUP_LIMIT,
        &mut wanted,
        "BTRFS_IOC_QGROUP_LIMIT",
        bytes,
    )
}

/// BTRFS_IOC_QGROUP_CREATE: forgets how a subvolume that is gone was counted.
/// `file` is any file of the filesystem.
pub fn forget_quota(file: impl AsFd, subvolume: u64) -> Result<()> {
    let mut wanted = QgroupCreate {
        create: 0,
        id: subvolume,
    };
    control(
        file,
        QGROUP_CREATE,
        &mut wanted,
        "BTRFS_IOC_QGROUP_CREATE",
        subvolume,
    )
}
