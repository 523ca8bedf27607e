//! Block volumes: a filesystem of a given size per directory, snapshotted by
//! copy-on-write.
//!
//! ```text
//! <driver root>/<any directory>        keeps a volume: the attribute says which
//! <driver root>/<directory>/volume.img its bytes, without a thin pool
//! <driver root>/.volumes/ext4-<size>/  an empty one, to be snapshotted
//! <driver root>/.volumes/new/          one that is being made
//! <driver root>/.thin/                 a thin pool ([`thin`])
//! ```
//!
//! With a thin pool volumes are thin devices, otherwise files that share their
//! extents, each a loop device while it is mounted. Either way the kernel
//! takes the device away with the last mount, whatever becomes of the daemon.

mod backend;
mod filesystem;
mod image;
mod record;
#[cfg(test)]
mod tests;
mod thin;

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bulkhead_model::storage::{Filesystem, VolumeFacts, VolumeOption};
use bulkhead_sys::directory::{ensure_dir, rename_noreplace, rmdirat};
use bulkhead_sys::mount::set_idmap;
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::tree::remove_tree;
use bulkhead_sys::{Error, Result};

use nix::libc;

use super::Shift;
use backend::Backend;
use image::Images;
use record::Record;

pub(super) use thin::{Pool as ThinPool, can_make_pools, make as make_thin_pool};

const BASES: &str = ".volumes";
const NEW: &str = "new";
/// A plan's paths are no longer (the plugin host's rule).
const MAX_DEPTH: usize = 17;

/// The volumes below one driver's root.
pub(crate) struct Volumes {
    backend: Box<dyn Backend>,
    /// One empty volume is made at a time.
    bases: Mutex<()>,
}

/// How a volume is shown.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) read_only: bool,
    pub(super) options: &'a [VolumeOption],
}

impl Volumes {
    /// Files in the driver's root.
    pub(crate) fn in_files() -> Self {
        Self::of(Box::new(Images::default()))
    }

    /// Devices of a thin pool.
    pub(super) fn in_pool(pool: ThinPool) -> Self {
        Self::of(Box::new(pool))
    }

    fn of(backend: Box<dyn Backend>) -> Self {
        Self {
            backend,
            bases: Mutex::default(),
        }
    }

    /// Puts an empty volume into `dir`.
    pub(super) fn create(
        &self,
        root: &OwnedFd,
        dir: &OwnedFd,
        size: u64,
        filesystem: Filesystem,
    ) -> Result<()> {
        let base = self.base(root, size, filesystem)?;
        self.snapshot(&base, dir)
    }

    /// Puts a snapshot of the volume in `source` into `dest`.
    pub(super) fn snapshot(&self, source: &OwnedFd, dest: &OwnedFd) -> Result<()> {
        let from = Record::read(source)?.ok_or_else(no_volume)?;
        if Record::read(dest)?.is_some() {
            let exists = std::io::ErrorKind::AlreadyExists;
            return Err(Error::new(
                "volume",
                "a directory keeps one",
                std::io::Error::from(exists),
            ));
        }
        self.backend.snapshot((source, &from), dest)
    }

    /// Makes the volume in `dir` and its filesystem larger.
    pub(super) fn grow(&self, dir: &OwnedFd, size: u64) -> Result<()> {
        let record = Record::read(dir)?.ok_or_else(no_volume)?;
        if size < record.size {
            let text = format!("it has {} bytes", record.size);
            let invalid = std::io::ErrorKind::InvalidInput;
            return Err(Error::new("volume", text, std::io::Error::from(invalid)));
        }
        if size == record.size {
            return Ok(());
        }
        let grown = Record { size, ..record };
        self.backend.resize(dir, &grown)?;
        let device = self.backend.attach(dir, &grown)?;
        filesystem::grow(record.filesystem, &*device, size)?;
        grown.write(dir)
    }

    /// The filesystem of the volume in `dir`, in no namespace's tree.
    pub(super) fn mount(
        &self,
        dir: &OwnedFd,
        view: View<'_>,
        shift: Option<Shift<'_>>,
    ) -> Result<OwnedFd> {
        let record = Record::read(dir)?.ok_or_else(no_volume)?;
        let device = self.backend.attach(dir, &record)?;
        let mounted = filesystem::mount(record.filesystem, &device.path(), view)?;
        if let Some(shift) = shift {
            set_idmap(&mounted, shift.namespace)?;
        }
        Ok(mounted)
    }

    /// Forgets the volume in `dir`, which is removed next.
    pub(super) fn forget(&self, dir: &OwnedFd) -> Result<()> {
        match Record::read(dir)? {
            Some(record) => {
                self.backend.forget(dir, &record)?;
                Record::clear(dir)
            }
            None => Ok(()),
        }
    }

    /// Forgets the volumes in the tree `name`, which is removed next.
    pub(super) fn forget_below(&self, parent: &OwnedFd, name: &str) -> Result<()> {
        if !self.backend.is_outside() {
            return Ok(());
        }
        match open(parent, name) {
            Ok(dir) => self.forget_tree(&dir, 0),
            Err(e) if is_no_dir(&e) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn forget_tree(&self, dir: &OwnedFd, depth: usize) -> Result<()> {
        self.forget(dir)?;
        if depth == MAX_DEPTH {
            return Ok(());
        }
        for name in bulkhead_sys::directory::entries(dir)? {
            match open_beneath(dir, &name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0) {
                Ok(child) => self.forget_tree(&child, depth + 1)?,
                Err(e) if is_no_dir(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Bytes that the volume in `dir` alone holds; `None` without a volume.
    pub(super) fn own_bytes(&self, dir: &OwnedFd) -> Result<Option<u64>> {
        let record = Record::read(dir)?;
        record
            .map(|record| self.backend.own_bytes(dir, &record))
            .transpose()
    }

    /// What is known of the volume in `dir`; `None` without one.
    pub(super) fn facts(&self, dir: &OwnedFd) -> Result<Option<VolumeFacts>> {
        let record = Record::read(dir)?;
        Ok(record.map(|record| VolumeFacts {
            size: record.size,
            device: self.backend.thin_device(&record),
        }))
    }

    /// Rows as the contract names them.
    pub(super) fn status(&self, root: &OwnedFd) -> Vec<(String, String)> {
        self.backend.status(root)
    }

    /// The empty volume of that kind, made when it is asked for first.
    fn base(&self, root: &OwnedFd, size: u64, filesystem: Filesystem) -> Result<OwnedFd> {
        let name = format!("{}-{size}", filesystem.as_str());
        let bases = ensure_dir(root, BASES, 0o700)?;
        let _alone = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        match open(&bases, &name) {
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => {}
            other => return other,
        }
        if let Ok(left_over) = open(&bases, NEW) {
            self.forget(&left_over)?;
            remove_tree(&bases, NEW)?;
        }
        let new = ensure_dir(&bases, NEW, 0o700)?;
        let made = self.format(&new, size, filesystem);
        if let Err(error) = made {
            // What stays is taken away by the next attempt.
            let _ = self.forget(&new).and_then(|()| remove_tree(&bases, NEW));
            return Err(error);
        }
        rename_noreplace(&bases, NEW, &bases, &name)?;
        Ok(new)
    }

    fn format(&self, dir: &OwnedFd, size: u64, filesystem: Filesystem) -> Result<()> {
        let record = self.backend.make(dir, size, filesystem)?;
        let device = self.backend.attach(dir, &record)?;
        filesystem::make(filesystem, &*device, size)?;
        let view = View {
            read_only: false,
            options: &[],
        };
        let mounted = filesystem::mount(filesystem, &device.path(), view)?;
        // An image's tree is exactly what its layers say.
        match rmdirat(&mounted, "lost+found") {
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Missing, a file, or a symlink.
fn is_no_dir(error: &Error) -> bool {
    matches!(error.errno(), libc::ENOENT | libc::ENOTDIR | libc::ELOOP)
}

fn open(dir: &OwnedFd, name: &str) -> Result<OwnedFd> {
    open_beneath(dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
}

fn no_volume() -> Error {
    let missing = std::io::ErrorKind::NotFound;
    Error::new(
        "volume",
        "the directory keeps none",
        std::io::Error::from(missing),
    )
}
