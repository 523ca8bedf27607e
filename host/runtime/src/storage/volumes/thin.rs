//! Volumes as devices of a thin pool (kernel
//! `Documentation/admin-guide/device-mapper/thin-provisioning.rst`).
//!
//! ```text
//! .thin/data            the pool's blocks, a sparse file on a loop device
//! .thin/metadata        its tables, likewise; `.new` while the pool is made
//! .thin/next-id         no thin device has this number or a greater one
//! .thin/doomed-<id>     a device that was in use when it was to be deleted
//! ```
//!
//! A volume's number is recorded at its directory before the device is made,
//! and the device deleted before the directory goes: whatever happens in
//! between, the directory's removal gives everything back.
//!
//! The pool's device and the volumes' are marked to be removed with their last
//! user as soon as they are open. The daemon holds the pool open, a mount its
//! volume, and each volume the pool.

mod files;
mod ids;
mod pool;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::PoisonError;

use bulkhead_model::storage::{Filesystem, ThinDevice};
use bulkhead_sys::block_device::BlockDevice;
use bulkhead_sys::device_mapper::Target;
use bulkhead_sys::{Error, Result};

use super::backend::{Backend, Device};
use super::record::Record;

pub(in crate::storage) use files::{can_make_pools, make};
pub(in crate::storage) use pool::Pool;

const SECTOR: u64 = 512;

impl Pool {
    /// The device of a volume, made when there is none. It goes with the last
    /// one who has it open.
    fn activate(&self, record: &Record) -> Result<BlockDevice> {
        const ATTEMPTS: usize = 50;
        let name = self.volume(record.id);
        for _ in 1..ATTEMPTS {
            match self.activate_once(&name, record) {
                // The one before is just going.
                Err(e) if matches!(e.errno(), nix::libc::EBUSY | nix::libc::ENXIO) => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                other => return other,
            }
        }
        self.activate_once(&name, record)
    }

    fn activate_once(&self, name: &str, record: &Record) -> Result<BlockDevice> {
        let _alone = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match self.mapper.device(name)? {
            Some(device) => device.number,
            None => {
                let made = self.mapper.create(name)?;
                let arguments = format!("{} {}", self.numbers, record.id);
                let target = Target {
                    kind: "thin",
                    sectors: record.size / SECTOR,
                    arguments: &arguments,
                };
                let loaded = self.mapper.load(name, target);
                if let Err(error) = loaded.and_then(|()| self.mapper.resume(name)) {
                    let _ = self.mapper.remove(name);
                    return Err(error);
                }
                made.number
            }
        };
        let device = BlockDevice::open(number)?;
        self.mapper.remove_when_unused(name)?;
        Ok(device)
    }

    /// A device that is in use must stand still while it is snapshotted.
    fn while_suspended(&self, id: u32, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let _alone = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.volume(id);
        if self.mapper.device(&name)?.is_none() {
            return work();
        }
        match self.mapper.suspend(&name) {
            // It was just going.
            Err(e) if e.errno() == nix::libc::ENXIO => return work(),
            other => other?,
        }
        let done = work();
        match self.mapper.resume(&name) {
            Err(e) if e.errno() == nix::libc::ENXIO => done,
            other => other.and(done),
        }
    }

    /// Bytes that a volume has, shared ones included.
    fn mapped(&self, record: &Record) -> Result<u64> {
        let _device = self.activate(record)?;
        let status = self.mapper.status(&self.volume(record.id))?;
        let sectors = status.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        Ok(sectors.unwrap_or(0) * SECTOR)
    }

    fn numbered(&self, record: Record, dir: &OwnedFd) -> Result<Record> {
        let record = Record {
            id: self.ids.take(&self.folder)?,
            ..record
        };
        record.write_through(dir)?;
        Ok(record)
    }
}

impl Backend for Pool {
    fn thin_device(&self, record: &Record) -> Option<ThinDevice> {
        Some(ThinDevice {
            id: record.id,
            name: self.volume(record.id),
        })
    }

    fn make(&self, dir: &OwnedFd, size: u64, filesystem: Filesystem) -> Result<Record> {
        let record = self.numbered(Record::new(filesystem, size), dir)?;
        self.tell(&format!("create_thin {}", record.id))?;
        Ok(record)
    }

    fn snapshot(&self, source: (&OwnedFd, &Record), dest: &OwnedFd) -> Result<()> {
        let (dir, origin) = source;
        let shared = match origin.given {
            0 => self.mapped(origin)?,
            given => given,
        };
        if origin.given != shared {
            let given = shared;
            Record { given, ..*origin }.write(dir)?;
        }
        let copy = Record {
            shared,
            given: 0,
            ..*origin
        };
        let record = self.numbered(copy, dest)?;
        self.while_suspended(origin.id, || {
            self.tell(&format!("create_snap {} {}", record.id, origin.id))
        })
    }

    fn resize(&self, _: &OwnedFd, _: &Record) -> Result<()> {
        // A thin device is as large as the table it is made by.
        Ok(())
    }

    fn attach(&self, _: &OwnedFd, record: &Record) -> Result<Box<dyn Device>> {
        Ok(Box::new(self.activate(record)?))
    }

    fn forget(&self, _: &OwnedFd, record: &Record) -> Result<()> {
        self.delete_doomed()?;
        self.delete(record.id)
    }

    fn is_outside(&self) -> bool {
        true
    }

    fn own_bytes(&self, _: &OwnedFd, record: &Record) -> Result<u64> {
        Ok(self.mapped(record)?.saturating_sub(record.shared))
    }

    fn status(&self, _: &OwnedFd) -> Vec<(String, String)> {
        let mut rows = vec![
            ("backend".to_owned(), "thin".to_owned()),
            ("name".to_owned(), self.name()),
            ("block-size".to_owned(), pool::BLOCK.to_string()),
            ("data-file".to_owned(), self.data_loop.clone()),
            ("metadata-file".to_owned(), self.metadata_loop.clone()),
        ];
        if let Ok(usage) = self.usage() {
            let numbers = [
                ("data-used", usage.data.0),
                ("data-total", usage.data.1),
                ("metadata-used", usage.metadata.0),
                ("metadata-total", usage.metadata.1),
            ];
            rows.extend(numbers.map(|(name, bytes)| (name.to_owned(), bytes.to_string())));
        }
        rows
    }
}

impl Device for BlockDevice {
    fn path(&self) -> PathBuf {
        self.path()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

fn broken(text: impl ToString) -> Error {
    let broken = std::io::Error::from(std::io::ErrorKind::InvalidData);
    Error::new("thin-pool", text, broken)
}
