//! Project quotas: limits of what a directory and everything below it may hold
//! (`quotactl(2)`, `xfs_quota(8)`, `ioctl_xfs_fsgetxattr(2)`). XFS mounted with
//! `prjquota` has them, and ext4 made with `-O quota,project` and mounted so.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Result, check};

/// `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, struct fsxattr)`
/// (kernel `linux/fs.h`).
const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
/// What is made in a directory belongs to its project.
const FS_XFLAG_PROJINHERIT: u32 = 0x200;

/// `QCMD(Q_X…, PRJQUOTA)`: the calls of XFS, which serve ext4, too
/// (kernel `fs/quota/quota.c`).
const Q_XGETQUOTA: u32 = command(3);
const Q_XSETQLIM: u32 = command(4);
const Q_XGETQSTATV: u32 = command(8);

/// Bytes of a block that limits are counted in, whatever the filesystem's are.
const BLOCK: u64 = 512;

const fn command(number: u32) -> u32 {
    const PRJQUOTA: u32 = 2;
    (((b'X' as u32) << 8 | number) << 8) | PRJQUOTA
}

/// `struct fsxattr`
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// `struct fs_disk_quota` (kernel `linux/dqblk_xfs.h`)
#[repr(C)]
#[derive(Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    fields: u16,
    id: u32,
    hard_blocks: u64,
    soft_blocks: u64,
    hard_inodes: u64,
    soft_inodes: u64,
    blocks: u64,
    inodes: u64,
    timers_and_realtime: [u64; 7],
}

/// `struct fs_quota_statv`
#[repr(C)]
struct QuotaState {
    version: i8,
    padding: u8,
    flags: u16,
    others: [u32; 39],
}

/// What a project holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectUsage {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files and directories, also those that have no name any more.
    pub inodes: u64,
    /// Most bytes; 0 is no limit.
    pub limit: u64,
}

/// Whether the filesystem that `file` is in holds projects to their limits.
pub fn has_project_quota(file: impl AsFd) -> bool {
    const VERSION: i8 = 1;
    /// `FS_QUOTA_PDQ_ENFD`
    const ENFORCED: u16 = 1 << 5;
    let mut state = QuotaState {
        version: VERSION,
        padding: 0,
        flags: 0,
        others: [0; 39],
    };
    let asked = quotactl(file, Q_XGETQSTATV, 0, &mut state, "Q_XGETQSTATV");
    asked.is_ok() && state.flags & ENFORCED != 0
}

/// The project of an open file or directory; 0 is none.
///
/// # Errors
/// ENOTTY where the filesystem knows no such attributes.
pub fn project(file: impl AsFd) -> Result<u32> {
    Ok(attributes(file)?.project)
}

/// Puts an open directory into a project, and what will be made in it. What is
/// in it already stays where it is.
///
/// # Errors
/// EPERM in a user namespace of one's own (`fileattr_set_prepare`).
pub fn set_project(dir: impl AsFd, project: u32) -> Result<()> {
    let mut wanted = attributes(&dir)?;
    wanted.flags |= FS_XFLAG_PROJINHERIT;
    wanted.project = project;
    control(
        dir,
        FS_IOC_FSSETXATTR,
        &mut wanted,
        "FS_IOC_FSSETXATTR",
        project,
    )
}

/// What a project of the filesystem that `file` is in holds.
pub fn project_usage(file: impl AsFd, project: u32) -> Result<ProjectUsage> {
    let mut found = DiskQuota::default();
    match quotactl(file, Q_XGETQUOTA, project, &mut found, "Q_XGETQUOTA") {
        // XFS has no record of a project before its first file.
        Err(e) if e.errno() == libc::ENOENT => found = DiskQuota::default(),
        other => other?,
    }
    Ok(ProjectUsage {
        bytes: found.blocks * BLOCK,
        inodes: found.inodes,
        limit: found.hard_blocks * BLOCK,
    })
}

/// Lets a project of the filesystem that `file` is in hold at most `bytes`,
/// rounded up to blocks of 512.
///
/// # Errors
/// ENOSYS, ESRCH or EINVAL while the filesystem does not count projects.
pub fn limit_project(file: impl AsFd, project: u32, bytes: u64) -> Result<()> {
    const VERSION: i8 = 1;
    const PROJECT: i8 = 2;
    const SOFT_AND_HARD_BLOCKS: u16 = 1 << 2 | 1 << 3;
    let blocks = bytes.div_ceil(BLOCK);
    let mut wanted = DiskQuota {
        version: VERSION,
        flags: PROJECT,
        fields: SOFT_AND_HARD_BLOCKS,
        id: project,
        hard_blocks: blocks,
        soft_blocks: blocks,
        ..DiskQuota::default()
    };
    quotactl(file, Q_XSETQLIM, project, &mut wanted, "Q_XSETQLIM")
}

fn attributes(file: impl AsFd) -> Result<Attributes> {
    let mut found = Attributes::default();
    control(file, FS_IOC_FSGETXATTR, &mut found, "FS_IOC_FSGETXATTR", "")?;
    Ok(found)
}

fn control(
    file: impl AsFd,
    request: u32,
    argument: &mut Attributes,
    call: &'static str,
    shown: impl ToString,
) -> Result<()> {
    let file = file.as_fd().as_raw_fd();
    // SAFETY: the structure has the kernel's layout and outlives the call.
    let result = unsafe { libc::ioctl(file, request as libc::Ioctl, argument) };
    check(result.into(), call, shown).map(drop)
}

/// `quotactl_fd(2)`, Linux 5.14. `argument` is the structure of the command.
fn quotactl<T>(
    file: impl AsFd,
    command: u32,
    project: u32,
    argument: &mut T,
    call: &'static str,
) -> Result<()> {
    // SAFETY: the structure has the layout of the command's and outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_fd().as_raw_fd(),
            command,
            project,
            std::ptr::from_mut(argument),
        )
    };
    check(result, call, project).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(size_of::<DiskQuota>(), 112);
        assert_eq!(size_of::<QuotaState>(), 160);
        assert_eq!(Q_XSETQLIM, 0x58_0402);
    }

    #[test]
    fn a_filesystem_without_projects_says_so() {
        let proc = crate::path::open_host_dir("/proc").unwrap();
        assert!(!has_project_quota(&proc));
        assert_ne!(project(&proc).unwrap_err().errno(), 0);
        assert_ne!(limit_project(&proc, 1, 4096).unwrap_err().errno(), 0);
    }
}
