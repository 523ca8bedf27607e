//! The two files below a thin pool.

use std::fs::File;
use std::os::fd::OwnedFd;

use bulkhead_sys::device_mapper::DeviceMapper;
use bulkhead_sys::directory::{ensure_dir, rename_noreplace};
use bulkhead_sys::loop_device::{LoopDevice, Options, make_sparse};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

use crate::storage::program;

pub(super) const FOLDER: &str = ".thin";
const NEW_FOLDER: &str = ".thin.new";
const DATA: &str = "data";
const METADATA: &str = "metadata";

/// Tables of a pool (kernel `thin-provisioning.rst`: 48 bytes a block, 2 MiB to
/// 16 GiB), with room for what many snapshots add.
const METADATA_MIN: u64 = 16 << 20;
const METADATA_MAX: u64 = 2 << 30;
/// Of the data's size.
const METADATA_SHARE: u64 = 500;
/// The unit of sizes.
const UNIT: u64 = 1 << 20;
const BLOCK: u32 = 4096;

/// Whether the kernel has thin pools, loaded or to be loaded.
pub(in crate::storage) fn can_make_pools() -> bool {
    const TARGET: &str = "thin-pool";
    let loaded = DeviceMapper::open().and_then(|mapper| mapper.targets());
    if loaded.is_ok_and(|targets| targets.iter().any(|name| name == TARGET)) {
        return true;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = format!("/lib/modules/{}/modules.dep", release.trim());
    let modules = std::fs::read_to_string(modules).unwrap_or_default();
    modules.contains("/dm-thin-pool.ko")
}

/// The control device, with the module for pools.
pub(super) fn mapper() -> Result<DeviceMapper> {
    if let Ok(mapper) = DeviceMapper::open()
        && mapper.targets()?.iter().any(|name| name == "thin-pool")
    {
        return Ok(mapper);
    }
    program::load_module("dm-thin-pool")?;
    DeviceMapper::open()
}

/// Makes the files of a pool in a driver's directory, unless it has them.
pub(in crate::storage) fn make(dir: &OwnedFd, size: u64) -> Result<()> {
    if open_folder(dir)?.is_some() {
        return Ok(());
    }
    let size = size / UNIT * UNIT;
    bulkhead_sys::tree::remove_tree(dir, NEW_FOLDER)?;
    let new = ensure_dir(dir, NEW_FOLDER, 0o700)?;
    let tables = (size / METADATA_SHARE).clamp(METADATA_MIN, METADATA_MAX) / UNIT * UNIT;
    for (name, size) in [(DATA, size), (METADATA, tables)] {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let file = File::from(open_beneath(&new, name, flags, 0o600)?);
        make_sparse(&file, size)?;
        file.sync_all().map_err(|e| Error::new("fsync", name, e))?;
    }
    rename_noreplace(dir, NEW_FOLDER, dir, FOLDER)
}

/// The folder of a driver that has a pool.
pub(super) fn open_folder(dir: &OwnedFd) -> Result<Option<OwnedFd>> {
    match open_beneath(dir, FOLDER, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0) {
        Ok(folder) => Ok(Some(folder)),
        Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Both files.
pub(super) struct Files {
    pub(super) data: File,
    pub(super) metadata: File,
}

impl Files {
    pub(super) fn open(folder: &OwnedFd) -> Result<Self> {
        let open = |name| -> Result<File> {
            let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW;
            Ok(open_beneath(folder, name, flags, 0)?.into())
        };
        Ok(Self {
            data: open(DATA)?,
            metadata: open(METADATA)?,
        })
    }
}

/// The file's loop device, found or made.
pub(super) fn device_of(file: &File) -> Result<LoopDevice> {
    if let Some(device) = LoopDevice::of(file)? {
        return Ok(device);
    }
    let options = Options {
        block_size: BLOCK,
        read_only: false,
    };
    LoopDevice::attach(file, options)
}
