//! Where the files are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_sys::mount::{Attributes, Context as Filesystem, move_mount};
use bulkhead_sys::path::open_host_dir;
use rustix::fs::XattrFlags;
use tempfile::TempDir;

/// A folder on the filesystem under test.
pub(super) struct Place {
    folder: PathBuf,
    /// The mount point, when the filesystem is our own.
    _point: Option<TempDir>,
}

impl Place {
    /// In the given folder; else in memory, where the kernel's filesystem in
    /// memory keeps `user.` attributes (Linux 6.6); else in the folder for
    /// temporary files.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self> {
        if let Some(dir) = dir {
            return Ok(Self::of(dir));
        }
        let point = tempfile::tempdir().context("a mount point")?;
        mount_memory(point.path(), None)?;
        let file = point.path().join("attributes");
        std::fs::write(&file, "")?;
        if rustix::fs::setxattr(&file, "user.a", b"1", XattrFlags::empty()).is_err() {
            return Ok(Self::of(&std::env::temp_dir()));
        }
        Ok(Self {
            folder: point.path().to_owned(),
            _point: Some(point),
        })
    }

    fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            _point: None,
        }
    }

    pub(super) fn folder(&self) -> Result<TempDir> {
        let folder = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir_in(&self.folder);
        folder.with_context(|| format!("a folder in {}", self.folder.display()))
    }
}

/// Mounts a filesystem in memory in this thread's mount namespace; `bounds`
/// are its bytes and inodes.
pub(super) fn mount_memory(at: &Path, bounds: Option<(u64, u64)>) -> Result<()> {
    let tmpfs = Filesystem::open(c"tmpfs")?;
    if let Some((bytes, inodes)) = bounds {
        tmpfs.set(c"size", &bytes.to_string())?;
        tmpfs.set(c"nr_inodes", &inodes.to_string())?;
    }
    let mount = tmpfs.mount(Attributes::NONE)?;
    move_mount(mount, open_host_dir(at)?)?;
    Ok(())
}
