//! A filesystem that nobody wrote to before. One that is filled and emptied
//! again and again gets slower by itself.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::measure::succeed;

/// Bytes; the file has holes, and is on a tmpfs.
const SIZE: &str = "8G";

/// Mounted as long as it lives.
pub(crate) struct Fresh {
    /// Holds the file and the mount point.
    folder: TempDir,
}

impl Fresh {
    /// One of this kind, in a file: ext4, btrfs or xfs.
    pub(crate) fn new(kind: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        succeed(Command::new("truncate").args(["-s", SIZE]).arg(&file))?;
        succeed(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&file))?;
        let fresh = Self { folder };
        std::fs::create_dir(fresh.path())?;
        succeed(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(file)
                .arg(fresh.path()),
        )?;
        Ok(fresh)
    }

    /// Its root.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

/// What is still in use goes with its last user.
fn unmount(at: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(at).status();
}
