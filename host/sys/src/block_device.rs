//! Block devices by their numbers, wherever /dev has a file for them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::directory::{mknodat, split_device, stat_fd};
use crate::error::Result;
use crate::mount::{Attributes, Context};
use crate::path::{OFlag, open_beneath, open_host, proc_path};

/// A block device that is open, and stays while it is.
#[derive(Debug)]
pub struct BlockDevice {
    fd: OwnedFd,
    usual: Option<PathBuf>,
}

impl BlockDevice {
    /// Opens the device with this number (`st_rdev`): by the kernel's own name
    /// in /dev, or by a file of ours in a filesystem that nobody else sees.
    ///
    /// # Errors
    /// ENXIO without such a device.
    pub fn open(number: u64) -> Result<Self> {
        if let Some(path) = name(number).map(|name| Path::new("/dev").join(name))
            && let Ok(fd) = open_host(&path, OFlag::O_RDWR, 0)
            && stat_fd(&fd)?.st_rdev == number
        {
            let usual = Some(path);
            return Ok(Self { fd, usual });
        }
        Ok(Self {
            fd: open_own_node(number)?,
            usual: None,
        })
    }

    /// A path that leads to the device as long as this lives.
    pub fn path(&self) -> PathBuf {
        let usual = self.usual.clone();
        usual.unwrap_or_else(|| proc_path(&self.fd).into())
    }
}

impl AsFd for BlockDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The kernel's name for it, such as `dm-3`.
fn name(number: u64) -> Option<PathBuf> {
    let (major, minor) = split_device(number);
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    link.file_name().map(PathBuf::from)
}

fn open_own_node(number: u64) -> Result<OwnedFd> {
    const NAME: &str = "device";
    let tmpfs = Context::open(c"tmpfs")?.mount(Attributes::NONE)?;
    mknodat(&tmpfs, NAME, libc::S_IFBLK | 0o600, number)?;
    open_beneath(&tmpfs, NAME, OFlag::O_RDWR, 0)
}
