//! A disk of a daemon's own, small enough to be filled.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

use crate::client::run;

const LIMIT: Duration = Duration::from_secs(60);

/// A filesystem to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// In memory, exact to the page, with so many inodes.
    Tmpfs {
        /// How many.
        inodes: u32,
    },
    /// In a file, without blocks that only root gets.
    Ext4,
}

/// What a daemon keeps its data on; taken down when dropped.
#[derive(Debug)]
pub struct Disk {
    mounted: PathBuf,
    /// Not in the daemon's folder: a mount namespace that somebody made
    /// meanwhile keeps the loop device for as long as it lives.
    _file: TempDir,
}

impl Disk {
    /// Mounts a filesystem of `mib` MiB at `folder/data`.
    #[track_caller]
    pub(crate) fn mount(folder: &Path, filesystem: Filesystem, mib: u64) -> Self {
        let own = tempfile::tempdir().expect("a folder for the disk");
        let script = match filesystem {
            Filesystem::Tmpfs { inodes } => {
                format!(
                    "mount -t tmpfs -o size={mib}m,nr_inodes={inodes},mode=700 disk \"$1/data\""
                )
            }
            Filesystem::Ext4 => format!(
                "truncate -s {mib}M \"$2/disk\"; mkfs.ext4 -q -m 0 \"$2/disk\"; mount -o loop \"$2/disk\" \"$1/data\""
            ),
        };
        let script = format!("mkdir -p -m 700 \"$1/data\"; {script}");
        let mut command = Command::new("sh");
        command
            .args(["-ec", &script, "sh"])
            .args([folder, own.path()]);
        run(&mut command, LIMIT).success();
        Disk {
            mounted: folder.join("data"),
            _file: own,
        }
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join("ballast")
    }

    /// Leaves `count` inodes free, whatever was before.
    #[track_caller]
    pub fn leave_inodes(&self, count: u64) {
        self.relieve();
        std::fs::create_dir(self.ballast()).expect("create the ballast");
        for number in count..self.free_inodes() {
            std::fs::File::create(self.ballast().join(number.to_string())).expect("take an inode");
        }
    }

    /// Leaves `bytes` free, whatever was before.
    #[track_caller]
    pub fn leave(&self, bytes: u64) {
        self.relieve();
        let file = std::fs::File::create(self.ballast()).expect("create the ballast");
        let mut taken = self.free().saturating_sub(bytes);
        while taken > 0 {
            let length = i64::try_from(taken).expect("the size of a disk");
            match fallocate(&file, FallocateFlags::empty(), 0, length) {
                Ok(()) => break,
                // The list of a file's blocks takes blocks too.
                Err(Errno::ENOSPC) => taken = taken.saturating_sub(4096),
                Err(error) => panic!("fill the disk: {error}"),
            }
        }
    }

    /// Takes the ballast away again.
    pub fn relieve(&self) {
        // There may be none, and of one kind alone.
        let _ = std::fs::remove_file(self.ballast());
        let _ = std::fs::remove_dir_all(self.ballast());
    }

    /// Bytes that are free.
    #[track_caller]
    pub fn free(&self) -> u64 {
        let stat = statvfs(&self.mounted).expect("ask about the disk");
        stat.blocks_available() * stat.fragment_size()
    }

    #[track_caller]
    fn free_inodes(&self) -> u64 {
        statvfs(&self.mounted)
            .expect("ask about the disk")
            .files_available()
    }

    /// What is on it but for the database, which keeps its size: paths, sorted.
    pub fn listing(&self) -> Vec<String> {
        let mut find = Command::new("find");
        find.arg(&self.mounted)
            .args(["-not", "-name", "state.db*", "-not", "-path", "*/ballast*"]);
        let text = run(&mut find, LIMIT).success();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A failure shows as a mount left behind.
        let _ = Command::new("umount").arg(&self.mounted).status();
    }
}
