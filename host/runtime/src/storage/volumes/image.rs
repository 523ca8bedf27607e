//! Volumes as files that share their extents (`ioctl_ficlone(2)`), each a loop
//! device while somebody has it mounted.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bulkhead_model::storage::Filesystem;
use bulkhead_sys::copy::clone_file;
use bulkhead_sys::directory::{space, stat_fd, unlinkat};
use bulkhead_sys::extents::extents;
use bulkhead_sys::loop_device::{LoopDevice, Options, make_sparse};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

use super::backend::{Backend, Device};
use super::record::Record;

const IMAGE: &str = "volume.img";
/// Logical blocks of the devices: what the pool's own takes directly.
const BLOCK: u32 = 4096;

/// The files, and which loop devices show them.
#[derive(Default)]
pub(super) struct Images {
    /// By device and inode of the file. What a former daemon attached is
    /// looked for once; `None`: not yet.
    attached: Mutex<Option<HashMap<(u64, u64), u32>>>,
}

impl Images {
    /// The file's device: two for one file would be two filesystems that do
    /// not know of each other.
    fn device_of(&self, image: &File) -> Result<LoopDevice> {
        let found = stat_fd(image)?;
        let key = (found.st_dev, found.st_ino);
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match attached.take() {
            Some(known) => known,
            None => LoopDevice::all()?,
        };
        let known = attached.insert(known);
        if let Some(number) = known.get(&key)
            && let Some(device) = LoopDevice::showing(*number, image)
        {
            return Ok(device);
        }
        let options = Options {
            block_size: BLOCK,
            read_only: false,
        };
        let device = LoopDevice::attach(image, options)?;
        known.insert(key, device.number());
        Ok(device)
    }

    fn detached(&self, image: &File) -> Result<()> {
        let found = stat_fd(image)?;
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = attached.as_mut() {
            known.remove(&(found.st_dev, found.st_ino));
        }
        Ok(())
    }
}

fn open(dir: &OwnedFd) -> Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW;
    Ok(open_beneath(dir, IMAGE, flags, 0)?.into())
}

fn create(dir: &OwnedFd) -> Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    Ok(open_beneath(dir, IMAGE, flags, 0o600)?.into())
}

impl Backend for Images {
    fn make(&self, dir: &OwnedFd, size: u64, filesystem: Filesystem) -> Result<Record> {
        make_sparse(&create(dir)?, size)?;
        let record = Record::new(filesystem, size);
        record.write(dir)?;
        Ok(record)
    }

    fn snapshot(&self, source: (&OwnedFd, &Record), dest: &OwnedFd) -> Result<()> {
        let (source, record) = source;
        let image = create(dest)?;
        clone_file(open(source)?, &image).map_err(explained)?;
        record.write(dest)
    }

    fn resize(&self, dir: &OwnedFd, grown: &Record) -> Result<()> {
        make_sparse(&open(dir)?, grown.size)
    }

    fn attach(&self, dir: &OwnedFd, _: &Record) -> Result<Box<dyn Device>> {
        Ok(Box::new(self.device_of(&open(dir)?)?))
    }

    fn forget(&self, dir: &OwnedFd, _: &Record) -> Result<()> {
        match open(dir) {
            Ok(image) => {
                self.detached(&image)?;
                unlinkat(dir, IMAGE)
            }
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn is_outside(&self) -> bool {
        false
    }

    fn own_bytes(&self, dir: &OwnedFd, _: &Record) -> Result<u64> {
        Ok(extents(open(dir)?)?.own)
    }

    fn status(&self, root: &OwnedFd) -> Vec<(String, String)> {
        let mut rows = vec![("backend".to_owned(), "reflink".to_owned())];
        if let Ok(space) = space(root) {
            rows.push(("data-total".to_owned(), space.total.to_string()));
            rows.push((
                "data-used".to_owned(),
                (space.total - space.free).to_string(),
            ));
        }
        rows
    }
}

impl Device for LoopDevice {
    fn path(&self) -> PathBuf {
        self.path()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

fn explained(error: Error) -> Error {
    match error.errno() {
        nix::libc::EOPNOTSUPP | nix::libc::EXDEV | nix::libc::EINVAL => Error::new(
            "FICLONE",
            "the driver's filesystem cannot share extents between files",
            std::io::Error::from_raw_os_error(error.errno()),
        ),
        _ => error,
    }
}
