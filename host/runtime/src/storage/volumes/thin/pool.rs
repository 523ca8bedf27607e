//! The pool's device.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use bulkhead_sys::Result;
use bulkhead_sys::block_device::BlockDevice;
use bulkhead_sys::device_mapper::{DeviceMapper, Target};
use bulkhead_sys::directory::{entries, mknodat, split_device, stat_fd, unlinkat};
use nix::libc;

use super::files::{Files, device_of, mapper, open_folder};
use super::ids::Ids;
use super::{SECTOR, broken};

/// Bytes of the unit in which the pool gives room: small writes to a snapshot
/// copy no more than this (`thin-provisioning.rst`: 64 KiB to 1 GiB).
pub(super) const BLOCK: u64 = 64 << 10;
/// Bytes of a block of the tables.
const METADATA_BLOCK: u64 = 4096;
const DOOMED: &str = "doomed-";

/// A thin pool that is in use as long as this, or a volume of it, is.
pub(in crate::storage) struct Pool {
    pub(super) mapper: DeviceMapper,
    pub(super) folder: OwnedFd,
    pub(super) ids: Ids,
    /// Held from a look at a volume's device until it is as it shall be: one
    /// that is just being made has no table yet, and cannot be resumed.
    pub(super) tables: Mutex<()>,
    pub(super) data_loop: String,
    pub(super) metadata_loop: String,
    /// `major:minor`
    pub(super) numbers: String,
    prefix: String,
    _open: BlockDevice,
}

/// Bytes that are used, and all.
pub(super) struct Usage {
    pub(super) data: (u64, u64),
    pub(super) metadata: (u64, u64),
}

impl Pool {
    /// The pool in a driver's directory; `None` without one.
    pub(in crate::storage) fn open(dir: &OwnedFd) -> Result<Option<Self>> {
        let Some(folder) = open_folder(dir)? else {
            return Ok(None);
        };
        let mapper = mapper()?;
        let files = Files::open(&folder)?;
        let found = stat_fd(&files.data)?;
        let (major, minor) = split_device(found.st_dev);
        let prefix = format!("bulkhead-{major}:{minor}-{}", found.st_ino);
        let name = format!("{prefix}-pool");
        let data = device_of(&files.data)?;
        let metadata = device_of(&files.metadata)?;
        let table = Table {
            data: number(&data)?,
            metadata: number(&metadata)?,
            sectors: found.st_size as u64 / SECTOR,
        };
        let open = activate(&mapper, &name, &table)?;
        let (major, minor) = split_device(stat_fd(&open)?.st_rdev);
        let pool = Self {
            mapper,
            ids: Ids::open(&folder)?,
            tables: Mutex::default(),
            folder,
            data_loop: data.path().display().to_string(),
            metadata_loop: metadata.path().display().to_string(),
            numbers: format!("{major}:{minor}"),
            prefix,
            _open: open,
        };
        pool.check()?;
        pool.delete_doomed()?;
        pool.sweep()?;
        Ok(Some(pool))
    }

    /// The pool's own name.
    pub(super) fn name(&self) -> String {
        format!("{}-pool", self.prefix)
    }

    /// The name of a volume's device.
    pub(super) fn volume(&self, id: u32) -> String {
        format!("{}-{id}", self.prefix)
    }

    pub(super) fn tell(&self, message: &str) -> Result<()> {
        self.mapper.message(&self.name(), message)
    }

    /// Deletes a volume. One that somebody has open is deleted later.
    pub(super) fn delete(&self, id: u32) -> Result<()> {
        // Whether it is in use is told by the message.
        let _ = self.mapper.remove(&self.volume(id));
        match self.tell(&format!("delete {id}")) {
            Err(e) if e.errno() == libc::EBUSY => self.doom(id),
            // It never was made, or is gone.
            Err(e) if e.errno() == libc::ENODATA => Ok(()),
            other => other,
        }
    }

    fn doom(&self, id: u32) -> Result<()> {
        let name = format!("{DOOMED}{id}");
        match mknodat(&self.folder, name, libc::S_IFREG | 0o600, 0) {
            Err(e) if e.errno() == libc::EEXIST => Ok(()),
            other => other,
        }
    }

    /// Tries again what was in use.
    pub(super) fn delete_doomed(&self) -> Result<()> {
        for entry in entries(&self.folder)? {
            let id = entry.to_str().and_then(|name| name.strip_prefix(DOOMED));
            let Some(Ok(id)) = id.map(str::parse::<u32>) else {
                continue;
            };
            match self.tell(&format!("delete {id}")) {
                Err(e) if e.errno() == libc::EBUSY => continue,
                Err(e) if e.errno() != libc::ENODATA => return Err(e),
                _ => unlinkat(&self.folder, &entry)?,
            }
        }
        Ok(())
    }

    /// Removes devices that a killed daemon made and nobody uses, and lets go
    /// on what it held up for a snapshot.
    fn sweep(&self) -> Result<()> {
        let pool = self.name();
        let volume = format!("{}-", self.prefix);
        for name in self.mapper.devices()? {
            if name == pool || !name.starts_with(&volume) {
                continue;
            }
            match self.mapper.device(&name)? {
                Some(device) if device.open == 0 => self.mapper.remove_when_unused(&name)?,
                Some(device) if device.suspended => self.mapper.resume(&name)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A pool that cannot be written to says so at the start.
    fn check(&self) -> Result<()> {
        let status = self.mapper.status(&self.name())?;
        let words: Vec<&str> = status.split(' ').collect();
        if words.contains(&"Fail") || words.contains(&"needs_check") || words.contains(&"ro") {
            return Err(broken(format!(
                "the pool's tables are damaged (status: {status}); repair .thin/metadata with thin_repair"
            )));
        }
        Ok(())
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let status = self.mapper.status(&self.name())?;
        let mut words = status.split(' ').skip(1);
        let mut pair = |unit: u64| {
            let (used, all) = words.next()?.split_once('/')?;
            let bytes = |text: &str| text.parse::<u64>().ok().map(|n| n * unit);
            Some((bytes(used)?, bytes(all)?))
        };
        let found = pair(METADATA_BLOCK).zip(pair(BLOCK));
        let (metadata, data) = found.ok_or_else(|| broken(format!("status {status:?}")))?;
        Ok(Usage { data, metadata })
    }
}

struct Table {
    data: String,
    metadata: String,
    sectors: u64,
}

fn number(device: impl AsFd) -> Result<String> {
    let (major, minor) = split_device(stat_fd(device)?.st_rdev);
    Ok(format!("{major}:{minor}"))
}

/// Opens the pool's device, made when there is none, and marks it to go with
/// its last user.
fn activate(mapper: &DeviceMapper, name: &str, table: &Table) -> Result<BlockDevice> {
    const ATTEMPTS: usize = 100;
    for _ in 1..ATTEMPTS {
        match activate_once(mapper, name, table) {
            // A daemon's that just ended is on its way out.
            Err(e) if matches!(e.errno(), libc::EBUSY | libc::ENXIO | libc::ENODEV) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => return other,
        }
    }
    activate_once(mapper, name, table)
}

fn activate_once(mapper: &DeviceMapper, name: &str, table: &Table) -> Result<BlockDevice> {
    let number = match mapper.device(name)? {
        Some(device) if !mapper.table(name)?.is_empty() => device.number,
        Some(_) => {
            // Made, and never given a table.
            mapper.remove(name)?;
            return activate_once(mapper, name, table);
        }
        None => {
            let made = mapper.create(name)?;
            // A full pool answers at once instead of waiting for more room.
            let arguments = format!(
                "{} {} {} 0 2 skip_block_zeroing error_if_no_space",
                table.metadata,
                table.data,
                BLOCK / SECTOR
            );
            let target = Target {
                kind: "thin-pool",
                sectors: table.sectors,
                arguments: &arguments,
            };
            let loaded = mapper.load(name, target);
            if let Err(error) = loaded.and_then(|()| mapper.resume(name)) {
                let _ = mapper.remove(name);
                return Err(error);
            }
            made.number
        }
    };
    let device = BlockDevice::open(number)?;
    mapper.remove_when_unused(name)?;
    Ok(device)
}
