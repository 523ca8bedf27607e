//! The root filesystem: attached, filled with mounts, entered.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_sys::directory;
use bulkhead_sys::mount::{self, Attributes};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir, open_in_root};

use super::InitError;
use super::target;
use crate::order::InitOrder;

/// The container's root while it is being furnished, by descriptors.
pub(super) struct Root {
    root: OwnedFd,
    /// The tmpfs on /dev.
    dev: Option<OwnedFd>,
}

impl Root {
    /// Takes this mount namespace from the host's propagation and puts the
    /// detached mount over its `/`, which needs no directory of the host's.
    /// Paths of the host still resolve from the old root beneath.
    pub(super) fn attach(rootfs: &OwnedFd) -> Result<Self, InitError> {
        mount::make_root_slave()?;
        mount::move_mount(rootfs, open_host_dir("/")?)?;
        mount::set_private(rootfs, false)?;
        Ok(Self {
            root: rootfs.try_clone().map_err(InitError::Duplicate)?,
            dev: None,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Mounts a kernel filesystem on a top directory of the root. A symlink
    /// there is refused: whoever made the image chose where it leads.
    pub(super) fn mount_top(
        &self,
        name: &'static str,
        filesystem: &OwnedFd,
    ) -> Result<(), InitError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let open = || open_beneath(&self.root, name, flags, 0);
        let place = match open() {
            Err(e) if e.errno() == libc_enoent() => {
                // Containers that share a root may make it at the same time.
                target::exists_is_fine(directory::mkdirat(&self.root, name, 0o755))?;
                open()?
            }
            Err(_) => return Err(InitError::NotADirectory(name)),
            Ok(place) => place,
        };
        Ok(mount::move_mount(filesystem, place)?)
    }

    pub(super) fn set_dev(&mut self, dev: OwnedFd) {
        self.dev = Some(dev);
    }

    /// The tmpfs on /dev, which no image can have prepared.
    pub(super) fn dev(&self) -> Result<BorrowedFd<'_>, InitError> {
        self.dev
            .as_ref()
            .map(AsFd::as_fd)
            .ok_or(InitError::NotADirectory("dev"))
    }

    pub(super) fn devpts(&self) -> Result<OwnedFd, InitError> {
        Ok(open_beneath(
            self.dev()?,
            "pts",
            OFlag::O_PATH | OFlag::O_DIRECTORY,
            0,
        )?)
    }

    /// Nothing more is made in the root.
    pub(super) fn finish(&self, read_only: bool) -> Result<(), InitError> {
        if read_only {
            mount::set_attributes(&self.root, Attributes::READ_ONLY, false)?;
        }
        Ok(())
    }

    /// Leaves the host's root for good.
    pub(super) fn pivot(&mut self) -> Result<(), InitError> {
        self.dev = None;
        Ok(mount::pivot_into(&self.root)?)
    }
}

/// ENOENT without a dependency on the C library's crate.
pub(super) fn libc_enoent() -> i32 {
    2
}

/// Makes the working directory if it is missing, as Docker does, and opens it
/// without magic links: nothing that a descriptor leads to can become one.
pub(super) fn prepare_cwd(root: &Root, order: &InitOrder) -> Result<OwnedFd, InitError> {
    let path = Path::new(std::ffi::OsStr::from_bytes(&order.cwd));
    target::directory(root.fd(), path, 0o755).map_err(|e| cwd_failed(path, e))?;
    open_cwd(root.fd(), order)
}

/// Opens the working directory beneath `root`.
pub(super) fn open_cwd(root: impl AsFd, order: &InitOrder) -> Result<OwnedFd, InitError> {
    let path = Path::new(std::ffi::OsStr::from_bytes(&order.cwd));
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    open_in_root(root, path, flags, 0).map_err(|e| cwd_failed(path, e))
}

fn cwd_failed(path: &Path, source: bulkhead_sys::Error) -> InitError {
    InitError::WorkingDirectory {
        path: path.display().to_string(),
        source,
    }
}
