//! Opening paths inside a directory without leaving it (`openat2(2)`).
//!
//! Three strengths: [`open_beneath`] refuses every way out and every symlink,
//! [`open_in_root`] treats the directory as `/` as chroot would, and
//! [`open_host`] opens a path that the host's own administrator chose.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
pub use nix::fcntl::OFlag;

use crate::error::{Error, Result, check};

/// `RESOLVE_NO_XDEV`: do not cross mounts.
const NO_XDEV: u64 = 0x01;
/// `RESOLVE_NO_MAGICLINKS`: no links such as /proc/PID/fd/N.
const NO_MAGICLINKS: u64 = 0x02;
/// `RESOLVE_NO_SYMLINKS`
const NO_SYMLINKS: u64 = 0x04;
/// `RESOLVE_BENEATH`: an absolute path or one that leaves the directory is EXDEV.
const BENEATH: u64 = 0x08;
/// `RESOLVE_IN_ROOT`: the directory is `/` for the resolution.
const IN_ROOT: u64 = 0x10;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens `path` beneath `dir`; no component may be a symlink.
///
/// # Errors
/// ELOOP at a symlink, EXDEV for a path that leaves `dir`.
pub fn open_beneath(
    dir: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlag,
    mode: u32,
) -> Result<OwnedFd> {
    openat2(
        dir,
        path.as_ref(),
        flags,
        mode,
        BENEATH | NO_SYMLINKS | NO_MAGICLINKS,
    )
}

/// Like [`open_beneath`], and does not cross into another mount.
///
/// # Errors
/// EXDEV also at a mount point.
pub fn open_beneath_same_mount(
    dir: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlag,
    mode: u32,
) -> Result<OwnedFd> {
    openat2(
        dir,
        path.as_ref(),
        flags,
        mode,
        BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV,
    )
}

/// Opens `path` as a process chrooted into `root` would: symlinks and `..` are
/// followed inside, magic links are refused.
///
/// # Errors
/// ELOOP at a magic link.
pub fn open_in_root(
    root: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlag,
    mode: u32,
) -> Result<OwnedFd> {
    openat2(root, path.as_ref(), flags, mode, IN_ROOT | NO_MAGICLINKS)
}

/// Opens a path of the host's, as `open(2)` does, close-on-exec.
pub fn open_host(path: impl AsRef<Path>, flags: OFlag, mode: u32) -> Result<OwnedFd> {
    openat2(nix::fcntl::AT_FDCWD, path.as_ref(), flags, mode, 0)
}

/// A namespace of the process whose folder in our own procfs is `process`;
/// `kind` is a name in its `ns` folder, such as `net`.
///
/// # Errors
/// ENOENT or ESRCH when the process has ended.
pub fn open_namespace(process: impl AsFd, kind: &str) -> Result<OwnedFd> {
    let links = open_beneath(&process, "ns", OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
    let name = c_name(Path::new(kind))?;
    // The entries are magic links, which openat2 would follow from here only
    // without any restriction; the name is a single component.
    openat2(
        links,
        Path::new(&*name.to_string_lossy()),
        OFlag::O_RDONLY,
        0,
        0,
    )
}

/// An O_PATH handle of a directory of the host's.
pub fn open_host_dir(path: impl AsRef<Path>) -> Result<OwnedFd> {
    open_host(path, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
}

fn openat2(dir: impl AsFd, path: &Path, flags: OFlag, mode: u32, resolve: u64) -> Result<OwnedFd> {
    let text = c_path(path)?;
    // The kernel refuses a mode without O_CREAT or O_TMPFILE.
    let creates =
        flags.intersects(OFlag::O_CREAT | OFlag::O_TMPFILE.difference(OFlag::O_DIRECTORY));
    let how = OpenHow {
        flags: (flags | OFlag::O_CLOEXEC).bits() as u64,
        mode: if creates { mode.into() } else { 0 },
        resolve,
    };
    loop {
        // SAFETY: the path is NUL-terminated; the structure has the size that is given.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_fd().as_raw_fd(),
                text.as_ptr(),
                &how,
                size_of::<OpenHow>(),
            )
        };
        // EAGAIN: a rename ran into a `..` of the resolution (openat2(2)).
        match check(fd, "openat2", path.display()) {
            Err(e) if e.errno() == libc::EAGAIN || e.errno() == libc::EINTR => {}
            // SAFETY: the kernel just gave us this descriptor.
            other => return other.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        }
    }
}

/// A path as the kernel takes it.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new("path", format_args!("{path:?}"), Errno::EINVAL))
}

/// A single component: not empty, no `/`, neither `.` nor `..`.
pub(crate) fn c_name(name: &Path) -> Result<CString> {
    let bytes = name.as_os_str().as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(Error::new("name", format_args!("{name:?}"), Errno::EINVAL));
    }
    c_path(name)
}

/// A path through /proc/self/fd that leads to `fd` itself, for calls that
/// take no descriptor. Only for our own /proc, never for a container's.
pub fn proc_path(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("root")).unwrap();
        std::fs::write(temp.path().join("secret"), "x").unwrap();
        symlink("../secret", temp.path().join("root/relative")).unwrap();
        symlink(
            temp.path().join("secret"),
            temp.path().join("root/absolute"),
        )
        .unwrap();
        symlink("/proc/self/root", temp.path().join("root/magic")).unwrap();
        let root = open_host_dir(temp.path().join("root")).unwrap();
        for path in [
            "../secret",
            "/etc/passwd",
            "relative",
            "absolute",
            "magic/etc",
        ] {
            assert!(
                open_beneath(&root, path, OFlag::O_RDONLY, 0).is_err(),
                "{path}"
            );
            assert_eq!(
                open_in_root(&root, path, OFlag::O_RDONLY, 0)
                    .unwrap_err()
                    .errno(),
                libc::ENOENT,
                "{path}"
            );
        }
    }

    #[test]
    fn in_root_follows_links_as_chroot_does() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("etc")).unwrap();
        std::fs::write(temp.path().join("etc/real"), "x").unwrap();
        symlink("/etc/real", temp.path().join("link")).unwrap();
        let root = open_host_dir(temp.path()).unwrap();
        assert!(open_in_root(&root, "/../../link", OFlag::O_RDONLY, 0).is_ok());
        assert_eq!(
            open_beneath(&root, "link", OFlag::O_RDONLY, 0)
                .unwrap_err()
                .errno(),
            libc::ELOOP
        );
    }

    #[test]
    fn a_name_is_one_component() {
        for bad in ["", ".", "..", "a/b", "/", "a\0"] {
            assert!(c_name(Path::new(bad)).is_err(), "{bad:?}");
        }
        assert!(c_name(Path::new("...")).is_ok());
    }
}
