//! The mount calls that work on descriptors (Linux 5.2 to 5.12): a mount is
//! made detached, in no namespace's tree, and appears only where
//! [`move_mount`] puts it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags};

use crate::error::{Error, Result, check, named};
use crate::path::c_path;

/// Attributes of a mount (`mount_setattr(2)`), one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// `MOUNT_ATTR_RDONLY`
    pub const READ_ONLY: Self = Self(0x01);
    /// `MOUNT_ATTR_NOSUID`
    pub const NO_SUID: Self = Self(0x02);
    /// `MOUNT_ATTR_NODEV`
    pub const NO_DEV: Self = Self(0x04);
    /// `MOUNT_ATTR_NOEXEC`
    pub const NO_EXEC: Self = Self(0x08);
    /// `MOUNT_ATTR_NOATIME`
    pub const NO_ATIME: Self = Self(0x10);
    /// `MOUNT_ATTR_STRICTATIME`
    pub const STRICT_ATIME: Self = Self(0x20);
    /// `MOUNT_ATTR_NODIRATIME`
    pub const NO_DIR_ATIME: Self = Self(0x80);
    /// None.
    pub const NONE: Self = Self(0);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

fn owned(result: libc::c_long, call: &'static str, arguments: impl ToString) -> Result<OwnedFd> {
    let fd = check(result, call, arguments)?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A filesystem being configured (`fsopen(2)`).
#[derive(Debug)]
pub struct Context {
    fd: OwnedFd,
    name: CString,
}

impl Context {
    /// `fsopen(name, FSOPEN_CLOEXEC)`; the filesystem's name is also what
    /// /proc/mounts shows as its source.
    pub fn open(name: &CStr) -> Result<Self> {
        Self::open_as(name, name)
    }

    /// [`Context::open`] with another source for /proc/mounts.
    pub fn open_as(name: &CStr, source: &CStr) -> Result<Self> {
        Self::open_with_source(name, &source.to_string_lossy())
    }

    /// [`Context::open`] of a filesystem on a block device.
    pub fn open_device(name: &CStr, device: &Path) -> Result<Self> {
        Self::open_with_source(name, &device.to_string_lossy())
    }

    fn open_with_source(name: &CStr, source: &str) -> Result<Self> {
        // SAFETY: a NUL-terminated string and an integer.
        let fd = unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), 1) };
        let context = Self {
            fd: owned(fd, "fsopen", name.to_string_lossy())?,
            name: name.to_owned(),
        };
        context.set(c"source", source)?;
        Ok(context)
    }

    /// `fsconfig(FSCONFIG_SET_STRING)`
    pub fn set(&self, key: &CStr, value: &str) -> Result<()> {
        let text = CString::new(value).map_err(|_| self.invalid(key))?;
        self.config(
            1,
            key.as_ptr(),
            text.as_ptr().cast(),
            0,
            format_args!("{}={value}", key.to_string_lossy()),
        )
    }

    /// `fsconfig(FSCONFIG_SET_FLAG)`
    pub fn flag(&self, key: &CStr) -> Result<()> {
        self.config(0, key.as_ptr(), std::ptr::null(), 0, key.to_string_lossy())
    }

    /// `fsconfig(FSCONFIG_SET_FD)`: overlay takes layers so since 6.13.
    pub fn set_fd(&self, key: &CStr, fd: impl AsFd) -> Result<()> {
        self.config(
            5,
            key.as_ptr(),
            std::ptr::null(),
            fd.as_fd().as_raw_fd(),
            key.to_string_lossy(),
        )
    }

    /// `fsconfig(FSCONFIG_CMD_CREATE)`, then `fsmount(2)`: a detached mount.
    pub fn mount(self, attributes: Attributes) -> Result<OwnedFd> {
        self.config(
            6,
            std::ptr::null(),
            std::ptr::null(),
            0,
            "FSCONFIG_CMD_CREATE",
        )?;
        // SAFETY: integers only. FSMOUNT_CLOEXEC is 1.
        let fd = unsafe { libc::syscall(libc::SYS_fsmount, self.fd.as_raw_fd(), 1, attributes.0) };
        owned(fd, "fsmount", self.name.to_string_lossy())
    }

    fn config(
        &self,
        command: u32,
        key: *const libc::c_char,
        value: *const libc::c_void,
        aux: i32,
        shown: impl ToString,
    ) -> Result<()> {
        // SAFETY: key and value are NULL or NUL-terminated strings of the callers above.
        let result = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.fd.as_raw_fd(),
                command,
                key,
                value,
                aux,
            )
        };
        if result == 0 {
            return Ok(());
        }
        let error = Error::last("fsconfig", "");
        let log = self.kernel_log();
        let shown = shown.to_string();
        Err(Error::new(
            "fsconfig",
            format!("{}, {shown}{log}", self.name.to_string_lossy()),
            error.source,
        ))
    }

    fn invalid(&self, key: &CStr) -> Error {
        Error::new(
            "fsconfig",
            format!("{}, {}", self.name.to_string_lossy(), key.to_string_lossy()),
            nix::errno::Errno::EINVAL,
        )
    }

    /// What the kernel wrote about the failure; reading the context gives one
    /// message a call.
    fn kernel_log(&self) -> String {
        let mut buffer = [0u8; 512];
        match nix::unistd::read(&self.fd, &mut buffer) {
            Ok(n) if n > 0 => format!(" ({})", String::from_utf8_lossy(&buffer[..n]).trim()),
            _ => String::new(),
        }
    }
}

/// `open_tree(2)` with OPEN_TREE_CLONE: a detached copy of the mount at `dir`.
pub fn clone_mount(dir: impl AsFd, recursive: bool) -> Result<OwnedFd> {
    let flags =
        1 | libc::O_CLOEXEC | libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: a NUL-terminated string and integers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            dir.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    owned(
        fd,
        "open_tree",
        format_args!("OPEN_TREE_CLONE, recursive: {recursive}"),
    )
}

/// `move_mount(2)` from a mount's descriptor onto the file that `target` is a
/// descriptor of.
pub fn move_mount(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    let flags = 0x04 | 0x40;
    let (from, to) = (mount.as_fd().as_raw_fd(), target.as_fd().as_raw_fd());
    // SAFETY: NUL-terminated strings and integers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            from,
            c"".as_ptr(),
            to,
            c"".as_ptr(),
            flags,
        )
    };
    check(result, "move_mount", "").map(drop)
}

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// `mount_setattr(2)`: sets attributes of the mount at `dir`, of all mounts
/// below it too when `recursive`.
pub fn set_attributes(dir: impl AsFd, attributes: Attributes, recursive: bool) -> Result<()> {
    setattr(
        dir.as_fd(),
        &MountAttr {
            attr_set: attributes.0,
            ..MountAttr::default()
        },
        recursive,
    )
}

/// `mount_setattr(2)` with MS_PRIVATE: no events to or from other mounts.
pub fn set_private(dir: impl AsFd, recursive: bool) -> Result<()> {
    let propagation = MsFlags::MS_PRIVATE.bits();
    setattr(
        dir.as_fd(),
        &MountAttr {
            propagation,
            ..MountAttr::default()
        },
        recursive,
    )
}

/// `mount_setattr(2)` with MS_SLAVE: events come in, none go out.
pub fn set_slave(dir: impl AsFd, recursive: bool) -> Result<()> {
    let propagation = MsFlags::MS_SLAVE.bits();
    setattr(
        dir.as_fd(),
        &MountAttr {
            propagation,
            ..MountAttr::default()
        },
        recursive,
    )
}

/// `mount_setattr(2)` with MOUNT_ATTR_IDMAP: owners appear as the user
/// namespace maps them.
pub fn set_idmap(mount: impl AsFd, user_namespace: impl AsFd) -> Result<()> {
    let userns_fd = user_namespace.as_fd().as_raw_fd() as u64;
    setattr(
        mount.as_fd(),
        &MountAttr {
            attr_set: 0x0010_0000,
            userns_fd,
            ..MountAttr::default()
        },
        false,
    )
}

fn setattr(dir: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: a NUL-terminated string, and a structure of the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            c"".as_ptr(),
            flags,
            attr,
            size_of::<MountAttr>(),
        )
    };
    check(
        result,
        "mount_setattr",
        format_args!(
            "set {:#x}, propagation {:#x}",
            attr.attr_set, attr.propagation
        ),
    )
    .map(drop)
}

/// `pivot_root(".", ".")` after `fchdir(root)`, then a lazy unmount of the old
/// root that lies under the new one (`pivot_root(2)`, "NOTES"). The root mount
/// must be attached somewhere in the calling mount namespace.
pub fn pivot_into(root: impl AsFd) -> Result<()> {
    named(nix::unistd::fchdir(root), "fchdir", "the new root")?;
    named(nix::unistd::pivot_root(c".", c"."), "pivot_root", "., .")?;
    named(
        nix::mount::umount2(c".", MntFlags::MNT_DETACH),
        "umount2",
        "the old root",
    )?;
    named(nix::unistd::chdir(c"/"), "chdir", "/")
}

/// `mount(NULL, "/", MS_REC | propagation)` for the whole namespace.
pub fn make_root_slave() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    named(
        nix::mount::mount(None::<&CStr>, c"/", None::<&CStr>, flags, None::<&CStr>),
        "mount",
        "MS_REC | MS_SLAVE, /",
    )
}

/// Moves the calling thread into a mount namespace of its own, from which
/// nothing gets out; for a thread that ends afterwards.
pub fn private_namespace() -> Result<()> {
    crate::namespace::unshare(crate::namespace::Namespaces::CLONE_NEWNS)?;
    make_root_slave()
}

/// Mounts with `mount(2)` at `place` and gives a detached copy. Overlay wants
/// its layers to be opened in the calling thread's mount namespace.
pub fn classic_detached(filesystem: &CStr, place: &Path, data: &str) -> Result<OwnedFd> {
    let target = c_path(place)?;
    let result = nix::mount::mount(
        Some(filesystem),
        target.as_c_str(),
        Some(filesystem),
        MsFlags::empty(),
        Some(data),
    );
    named(
        result,
        "mount",
        format_args!("{}, {data}", filesystem.to_string_lossy()),
    )?;
    clone_mount(crate::path::open_host_dir(place)?, false)
}

/// `umount2(path, MNT_DETACH)`
pub fn unmount_lazily(path: impl AsRef<Path>) -> Result<()> {
    let text = c_path(path.as_ref())?;
    named(
        nix::mount::umount2(text.as_c_str(), MntFlags::MNT_DETACH),
        "umount2",
        path.as_ref().display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{
        TMPFS_MAGIC, ensure_dir, filesystem_magic, is_mount_root, mkdirat, stat,
    };
    use crate::path::open_host_dir;

    #[test]
    fn a_detached_tmpfs_can_be_used_and_is_in_no_mount_table() {
        let tmpfs = Context::open(c"tmpfs").unwrap();
        tmpfs.set(c"size", "65536").unwrap();
        tmpfs.set(c"mode", "711").unwrap();
        let mount = tmpfs
            .mount(Attributes::NO_EXEC.and(Attributes::NO_DEV))
            .unwrap();
        assert_eq!(filesystem_magic(&mount).unwrap(), TMPFS_MAGIC);
        assert!(is_mount_root(&mount).unwrap());
        let made = ensure_dir(&mount, "made", 0o700).unwrap();
        assert!(!is_mount_root(&made).unwrap());
        set_attributes(&mount, Attributes::READ_ONLY, false).unwrap();
        assert_eq!(
            mkdirat(&mount, "more", 0o700).unwrap_err().errno(),
            libc::EROFS
        );
    }

    #[test]
    fn a_refused_option_is_named_with_the_kernels_words() {
        let tmpfs = Context::open(c"tmpfs").unwrap();
        let error = tmpfs.set(c"nonsense", "1").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }

    #[test]
    fn a_clone_of_a_mount_can_be_made_read_only_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_host_dir(temp.path()).unwrap();
        let copy = clone_mount(&dir, false).unwrap();
        set_attributes(&copy, Attributes::READ_ONLY, false).unwrap();
        assert_eq!(mkdirat(&copy, "x", 0o700).unwrap_err().errno(), libc::EROFS);
        mkdirat(&dir, "x", 0o700).unwrap();
        assert!(stat(&copy, "x").is_ok());
    }
}
