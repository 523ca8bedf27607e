//! Filesystems on devices: making a mounted one larger.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Result, check};

/// `_IOW('f', 16, __u64)` (kernel `fs/ext4/ext4.h`).
const EXT4_IOC_RESIZE_FS: u32 = 0x4008_6610;
/// `_IOW('X', 110, struct xfs_growfs_data)` (kernel `fs/xfs/libxfs/xfs_fs.h`).
const XFS_IOC_FSGROWFSDATA: u32 = 0x4010_586e;

/// Makes the mounted ext4 that `root` is in `blocks` of its blocks large.
///
/// # Errors
/// EPERM without CAP_SYS_RESOURCE; EINVAL when the device is smaller.
pub fn grow_ext4(root: impl AsFd, blocks: u64) -> Result<()> {
    // SAFETY: the argument is a readable 64-bit number.
    let result = unsafe {
        libc::ioctl(
            root.as_fd().as_raw_fd(),
            EXT4_IOC_RESIZE_FS as libc::Ioctl,
            &raw const blocks,
        )
    };
    check(result.into(), "EXT4_IOC_RESIZE_FS", blocks).map(drop)
}

#[repr(C)]
struct GrowData {
    new_blocks: u64,
    inodes_percent: u32,
}

/// Makes the mounted XFS that `root` is in `blocks` of its blocks large;
/// `inodes_percent` of it may be inodes.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL when the device is smaller.
pub fn grow_xfs(root: impl AsFd, blocks: u64, inodes_percent: u32) -> Result<()> {
    let data = GrowData {
        new_blocks: blocks,
        inodes_percent,
    };
    // SAFETY: the structure has the kernel's layout and outlives the call.
    let result = unsafe {
        libc::ioctl(
            root.as_fd().as_raw_fd(),
            XFS_IOC_FSGROWFSDATA as libc::Ioctl,
            &raw const data,
        )
    };
    check(result.into(), "XFS_IOC_FSGROWFSDATA", blocks).map(drop)
}
