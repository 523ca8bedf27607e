//! Changing a directory by descriptor. Every `name` is a single component, so
//! that nothing here can leave the directory or follow a symlink.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::fcntl::{AtFlags, RenameFlags};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags};

use crate::error::{Result, check, named};
use crate::path::{OFlag, c_name, open_beneath, proc_path};

pub use crate::xattr::{set_xattr, set_xattr_fd, xattr, xattr_names};

/// What `fstatat(2)` tells about a file.
pub type Stat = FileStat;

/// `mkdirat(2)`, and then the exact mode: the umask does not count.
pub fn mkdirat(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let result = nix::sys::stat::mkdirat(&dir, text.as_c_str(), Mode::from_bits_truncate(mode));
    named(result, "mkdirat", name.as_ref().display())?;
    fchmodat(dir, name, mode)
}

/// `mkdirat(2)` and nothing else, for filesystems with modes of their own
/// such as cgroupfs.
pub fn mkdirat_umask(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let result = nix::sys::stat::mkdirat(dir, text.as_c_str(), Mode::from_bits_truncate(mode));
    named(result, "mkdirat", name.as_ref().display())
}

/// [`mkdirat`] that is content with an existing directory, whose mode it leaves.
pub fn ensure_dir(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<OwnedFd> {
    let name = name.as_ref();
    match mkdirat(&dir, name, mode) {
        Err(e) if e.errno() != libc::EEXIST => return Err(e),
        _ => {}
    }
    open_beneath(dir, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
}

/// `mknodat(2)`: a device, fifo, socket or empty file with exactly `mode`
/// (type and permission bits); `device` is `makedev` of major and minor.
pub fn mknodat(dir: impl AsFd, name: impl AsRef<Path>, mode: u32, device: u64) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let kind = SFlag::from_bits_truncate(mode & libc::S_IFMT);
    let result = nix::sys::stat::mknodat(
        &dir,
        text.as_c_str(),
        kind,
        Mode::from_bits_truncate(mode),
        device,
    );
    named(result, "mknodat", name.as_ref().display())?;
    fchmodat(dir, name, mode & 0o7777)
}

/// A device number of its two parts.
pub fn makedev(major: u64, minor: u64) -> u64 {
    nix::sys::stat::makedev(major, minor)
}

/// The two parts of a device number.
pub fn split_device(device: u64) -> (u64, u64) {
    (nix::sys::stat::major(device), nix::sys::stat::minor(device))
}

/// `symlinkat(2)`; `target` is only text.
pub fn symlinkat(target: impl AsRef<OsStr>, dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let result = nix::unistd::symlinkat(target.as_ref(), dir, text.as_c_str());
    named(result, "symlinkat", name.as_ref().display())
}

/// `linkat(2)`: another name for a file, which may itself be a symlink.
pub fn linkat(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
) -> Result<()> {
    let (source, target) = (c_name(old.as_ref())?, c_name(new.as_ref())?);
    let result = nix::unistd::linkat(
        from,
        source.as_c_str(),
        to,
        target.as_c_str(),
        LinkatFlags::empty(),
    );
    named(
        result,
        "linkat",
        format_args!("{}, {}", old.as_ref().display(), new.as_ref().display()),
    )
}

/// `renameat2(2)` with RENAME_NOREPLACE.
///
/// # Errors
/// EEXIST when the new name is taken.
pub fn rename_noreplace(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
) -> Result<()> {
    rename_with(
        from,
        old.as_ref(),
        to,
        new.as_ref(),
        RenameFlags::RENAME_NOREPLACE,
    )
}

/// `renameat(2)`: replaces a file or an empty directory atomically.
pub fn rename(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
) -> Result<()> {
    rename_with(from, old.as_ref(), to, new.as_ref(), RenameFlags::empty())
}

/// `renameat2(2)` with RENAME_EXCHANGE.
pub fn rename_exchange(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
) -> Result<()> {
    rename_with(
        from,
        old.as_ref(),
        to,
        new.as_ref(),
        RenameFlags::RENAME_EXCHANGE,
    )
}

fn rename_with(
    from: impl AsFd,
    old: &Path,
    to: impl AsFd,
    new: &Path,
    flags: RenameFlags,
) -> Result<()> {
    let (source, target) = (c_name(old)?, c_name(new)?);
    let result = nix::fcntl::renameat2(from, source.as_c_str(), to, target.as_c_str(), flags);
    named(
        result,
        "renameat2",
        format_args!("{}, {}", old.display(), new.display()),
    )
}

/// `unlinkat(2)` of anything but a directory.
pub fn unlinkat(dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let result = nix::unistd::unlinkat(dir, text.as_c_str(), UnlinkatFlags::NoRemoveDir);
    named(result, "unlinkat", name.as_ref().display())
}

/// `unlinkat(2)` of an empty directory.
pub fn rmdirat(dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let result = nix::unistd::unlinkat(dir, text.as_c_str(), UnlinkatFlags::RemoveDir);
    named(
        result,
        "unlinkat",
        format_args!("{}, AT_REMOVEDIR", name.as_ref().display()),
    )
}

/// `fchownat(2)` of the file itself, be it a symlink.
pub fn fchownat(dir: impl AsFd, name: impl AsRef<Path>, uid: u32, gid: u32) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    let result =
        nix::unistd::fchownat(dir, text.as_c_str(), uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW);
    named(result, "fchownat", name.as_ref().display())
}

/// Sets the permission bits of a file that is not a symlink, race-free: the
/// file is opened first (`fchmodat(2)` cannot refuse symlinks before 6.6).
pub fn fchmodat(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<()> {
    let file = open_beneath(dir, name.as_ref(), OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)?;
    chmod_fd(&file, mode)
}

/// Sets the permission bits of an open file; O_PATH handles work too, except
/// those of symlinks.
pub fn chmod_fd(file: impl AsFd, mode: u32) -> Result<()> {
    let path = proc_path(file);
    let mode = Mode::from_bits_truncate(mode);
    let result = nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        path.as_str(),
        mode,
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    );
    named(result, "chmod", path)
}

/// `fchownat(2)` with AT_EMPTY_PATH of an open file; O_PATH handles work.
pub fn chown_fd(file: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    named(
        nix::unistd::fchownat(file, c"", uid, gid, AtFlags::AT_EMPTY_PATH),
        "fchown",
        "",
    )
}

/// A time in seconds and nanoseconds since the epoch.
pub type Time = (i64, i64);

/// `utimensat(2)` of the file itself, be it a symlink: access, modification.
pub fn utimensat(
    dir: impl AsFd,
    name: impl AsRef<Path>,
    access: Time,
    modification: Time,
) -> Result<()> {
    let text = c_name(name.as_ref())?;
    let (access, modification) = (
        TimeSpec::new(access.0, access.1),
        TimeSpec::new(modification.0, modification.1),
    );
    let flags = UtimensatFlags::NoFollowSymlink;
    let result = nix::sys::stat::utimensat(dir, text.as_c_str(), &access, &modification, flags);
    named(result, "utimensat", name.as_ref().display())
}

/// `fstatat(2)` of the file itself, be it a symlink.
pub fn stat(dir: impl AsFd, name: impl AsRef<Path>) -> Result<Stat> {
    let text = c_name(name.as_ref())?;
    let result = nix::sys::stat::fstatat(dir, text.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
    named(result, "fstatat", name.as_ref().display())
}

/// `fstat(2)`; O_PATH handles work.
pub fn stat_fd(file: impl AsFd) -> Result<Stat> {
    named(nix::sys::stat::fstat(file), "fstat", "")
}

/// The type bits of a mode, such as `S_IFDIR`.
pub fn file_type(stat: &Stat) -> u32 {
    stat.st_mode & libc::S_IFMT
}

/// `readlinkat(2)`
pub fn readlinkat(dir: impl AsFd, name: impl AsRef<Path>) -> Result<OsString> {
    let text = c_name(name.as_ref())?;
    named(
        nix::fcntl::readlinkat(dir, text.as_c_str()),
        "readlinkat",
        name.as_ref().display(),
    )
}

/// `f_type` of `fstatfs(2)`, such as `PROC_SUPER_MAGIC`.
pub fn filesystem_magic(file: impl AsFd) -> Result<i64> {
    // SAFETY: statfs is plain data; zeroes are a valid value.
    let mut buffer: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is writable and outlives the call.
    let result = unsafe { libc::fstatfs(file.as_fd().as_raw_fd(), &mut buffer) };
    check(result.into(), "fstatfs", "")?;
    Ok(buffer.f_type)
}

/// Whether it is the root of a mount: `STATX_ATTR_MOUNT_ROOT` (Linux 5.8).
pub fn is_mount_root(file: impl AsFd) -> Result<bool> {
    // SAFETY: statx is plain data; zeroes are a valid value.
    let mut buffer: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is empty and NUL-terminated, the buffer is writable,
    // and both outlive the call.
    let result = unsafe {
        libc::statx(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            0,
            &mut buffer,
        )
    };
    check(result.into(), "statx", "")?;
    let attribute = libc::STATX_ATTR_MOUNT_ROOT as u64;
    Ok(buffer.stx_attributes & attribute != 0)
}

/// Bytes that the file's filesystem has left (`fstatvfs(3)`), for root too.
pub fn free_space(file: impl AsFd) -> Result<u64> {
    let found = named(nix::sys::statvfs::fstatvfs(file), "fstatvfs", "")?;
    Ok(found
        .blocks_available()
        .saturating_mul(found.fragment_size()))
}

/// `PROC_SUPER_MAGIC`
pub const PROC_MAGIC: i64 = 0x9fa0;
/// `SYSFS_MAGIC`
pub const SYSFS_MAGIC: i64 = 0x6265_6572;
/// `DEVPTS_SUPER_MAGIC`
pub const DEVPTS_MAGIC: i64 = 0x1cd1;
/// `CGROUP2_SUPER_MAGIC`
pub const CGROUP2_MAGIC: i64 = 0x6367_7270;
/// `TMPFS_MAGIC`
pub const TMPFS_MAGIC: i64 = 0x0102_1994;
/// `XFS_SUPER_MAGIC`
pub const XFS_MAGIC: i64 = 0x5846_5342;
/// `BTRFS_SUPER_MAGIC`
pub const BTRFS_MAGIC: i64 = 0x9123_683e;
/// `OVERLAYFS_SUPER_MAGIC`
pub const OVERLAY_MAGIC: i64 = 0x794c_7630;

/// The names in a directory but `.` and `..`, in the kernel's order.
pub fn entries(dir: impl AsFd) -> Result<Vec<OsString>> {
    // A descriptor of its own: reading moves the position, and O_PATH handles cannot be read.
    let fd = nix::fcntl::openat(
        &dir,
        c".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    );
    let fd = named(fd, "openat", ".")?;
    let mut buffer = vec![0u8; 32 * 1024];
    let mut out = Vec::new();
    loop {
        // SAFETY: the buffer is writable for the length that is given.
        let got = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                fd.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        let got = check(got, "getdents64", "")? as usize;
        if got == 0 {
            return Ok(out);
        }
        collect_names(&buffer[..got], &mut out);
    }
}

/// `struct linux_dirent64`: inode u64, offset i64, length u16, type u8, name.
fn collect_names(mut records: &[u8], out: &mut Vec<OsString>) {
    const NAME: usize = 19;
    while records.len() > NAME {
        let length = usize::from(u16::from_ne_bytes([records[16], records[17]]));
        if let Ok(name) = CStr::from_bytes_until_nul(&records[NAME..length]) {
            let name = name.to_bytes();
            if name != b"." && name != b".." {
                out.push(OsString::from_vec(name.to_vec()));
            }
        }
        records = &records[length..];
    }
}

/// `utimensat(2)` of an open file; O_PATH handles work.
pub fn utimens_fd(file: impl AsFd, access: Time, modification: Time) -> Result<()> {
    let (access, modification) = (
        TimeSpec::new(access.0, access.1),
        TimeSpec::new(modification.0, modification.1),
    );
    let path = proc_path(file);
    let flags = UtimensatFlags::FollowSymlink;
    let result = nix::sys::stat::utimensat(
        nix::fcntl::AT_FDCWD,
        path.as_str(),
        &access,
        &modification,
        flags,
    );
    named(result, "utimensat", path)
}

/// Bytes of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of them.
    pub total: u64,
    /// What is left, root's reserve included.
    pub free: u64,
}

/// `fstatfs(2)`: the bytes of a file's filesystem.
pub fn space(file: impl AsFd) -> Result<Space> {
    let found = named(nix::sys::statfs::fstatfs(file.as_fd()), "fstatfs", "")?;
    let block = u64::try_from(found.block_size()).unwrap_or(0);
    Ok(Space {
        total: found.blocks() * block,
        free: found.blocks_free() * block,
    })
}

/// `syncfs(2)`: everything written to the file's filesystem is on the disk.
pub fn sync_filesystem(file: impl AsFd) -> Result<()> {
    // SAFETY: integers only.
    let result = unsafe { libc::syncfs(file.as_fd().as_raw_fd()) };
    check(result.into(), "syncfs", "").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::open_host_dir;

    #[test]
    fn names_that_are_paths_are_refused_everywhere() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_host_dir(temp.path()).unwrap();
        for bad in ["../x", "a/b", "..", ""] {
            assert!(mkdirat(&dir, bad, 0o755).is_err());
            assert!(unlinkat(&dir, bad).is_err());
            assert!(symlinkat("t", &dir, bad).is_err());
            assert!(rename_noreplace(&dir, bad, &dir, "y").is_err());
            assert!(set_xattr(&dir, bad, c"user.x", b"v").is_err());
        }
    }

    #[test]
    fn files_of_every_kind_can_be_made_and_changed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_host_dir(temp.path()).unwrap();
        mkdirat(&dir, "d", 0o7777).unwrap();
        assert_eq!(stat(&dir, "d").unwrap().st_mode & 0o7777, 0o7777);
        symlinkat("/nowhere", &dir, "l").unwrap();
        fchownat(&dir, "l", 5, 6).unwrap();
        utimensat(&dir, "l", (1, 2), (3, 4)).unwrap();
        set_xattr(&dir, "l", c"trusted.t", b"v").unwrap();
        let link = stat(&dir, "l").unwrap();
        assert_eq!(
            (link.st_uid, link.st_gid, link.st_mtime, link.st_mtime_nsec),
            (5, 6, 3, 4)
        );
        assert_eq!(
            xattr(&dir, "l", c"trusted.t").unwrap().as_deref(),
            Some(&b"v"[..])
        );
        assert_eq!(xattr_names(&dir, "l").unwrap(), [c"trusted.t".to_owned()]);
        mknodat(&dir, "n", libc::S_IFCHR | 0o666, makedev(0, 0)).unwrap();
        linkat(&dir, "n", &dir, "n2").unwrap();
        assert_eq!(stat(&dir, "n").unwrap().st_nlink, 2);
        assert_eq!(
            rename_noreplace(&dir, "n", &dir, "n2").unwrap_err().errno(),
            libc::EEXIST
        );
        let mut names = entries(&dir).unwrap();
        names.sort();
        assert_eq!(names, ["d", "l", "n", "n2"]);
    }
}
