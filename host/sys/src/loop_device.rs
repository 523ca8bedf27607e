//! Loop devices: a file as a block device (`loop(4)`).
//!
//! Every device made here is cleared by the kernel when its last user goes
//! (LO_FLAGS_AUTOCLEAR): a filesystem mounted from it keeps it, nobody needs
//! to take it away.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use crate::directory::{makedev, mknodat, stat_fd};
use crate::error::{Error, Result, check};
use crate::mount::{Attributes, Context};
use crate::path::{OFlag, open_beneath, open_host, proc_path};

/// The number of the block devices' driver (kernel `devices.txt`).
const MAJOR: u64 = 7;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_GET_STATUS64: libc::Ioctl = 0x4C05;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// Somebody else may take the free device first.
const ATTEMPTS: usize = 64;

/// `struct loop_info64`
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`
#[repr(C)]
struct Configuration {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

impl Info {
    const EMPTY: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

/// A loop device that is open.
#[derive(Debug)]
pub struct LoopDevice {
    number: u32,
    fd: OwnedFd,
}

/// How a file becomes a device.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The device's logical blocks, in bytes; 0: as the kernel likes.
    pub block_size: u32,
    /// Nothing can be written.
    pub read_only: bool,
}

impl LoopDevice {
    /// Its number: `/dev/loop<number>`.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A path that leads to the device as long as this lives: its own, or
    /// that of the open descriptor where /dev has no file for it.
    pub fn path(&self) -> PathBuf {
        let usual = PathBuf::from(format!("/dev/loop{}", self.number));
        if usual.exists() {
            usual
        } else {
            proc_path(&self.fd).into()
        }
    }

    /// Makes a device of `file`, past the page cache where the file's
    /// filesystem allows it (`LOOP_CONFIGURE`, Linux 5.8).
    ///
    /// # Errors
    /// ENOENT without the driver; what the kernel says about the file.
    pub fn attach(file: impl AsFd, options: Options) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let number = free()?;
            let device = Self {
                number,
                fd: open(number, options.read_only)?,
            };
            match device.configure(&file, options) {
                Err(e) if e.errno() == libc::EBUSY => {}
                Err(e) => return Err(e),
                Ok(()) => return Ok(device),
            }
        }
        Err(Error::new(
            "LOOP_CONFIGURE",
            "every free device was taken by others",
            io::Error::from_raw_os_error(libc::EBUSY),
        ))
    }

    fn configure(&self, file: &impl AsFd, options: Options) -> Result<()> {
        let mut flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        if options.read_only {
            flags |= LO_FLAGS_READ_ONLY;
        }
        let configuration = Configuration {
            fd: file.as_fd().as_raw_fd() as u32,
            block_size: options.block_size,
            info: Info {
                flags,
                ..Info::EMPTY
            },
            reserved: [0; 8],
        };
        // SAFETY: the structure has the layout of the kernel's and outlives the call.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), LOOP_CONFIGURE, &configuration) };
        let shown = format_args!("loop{}", self.number);
        check(result.into(), "LOOP_CONFIGURE", shown).map(drop)
    }

    /// The device that already shows `file`, whoever made it.
    pub fn of(file: impl AsFd) -> Result<Option<Self>> {
        let wanted = stat_fd(file)?;
        for number in configured()? {
            // It may go while we look.
            let Ok(fd) = open(number, false) else {
                continue;
            };
            let device = Self { number, fd };
            if let Ok(info) = device.info()
                && (info.device, info.inode) == (wanted.st_dev, wanted.st_ino)
            {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    /// The device with that number, if it shows `file`.
    pub fn showing(number: u32, file: impl AsFd) -> Option<Self> {
        let wanted = stat_fd(file).ok()?;
        let device = Self {
            number,
            fd: open(number, false).ok()?,
        };
        let info = device.info().ok()?;
        ((info.device, info.inode) == (wanted.st_dev, wanted.st_ino)).then_some(device)
    }

    /// All devices that show a file, by its device and inode.
    pub fn all() -> Result<HashMap<(u64, u64), u32>> {
        let mut found = HashMap::new();
        for number in configured()? {
            // It may go while we look.
            let Ok(fd) = open(number, true) else {
                continue;
            };
            if let Ok(info) = (Self { number, fd }).info() {
                found.insert((info.device, info.inode), number);
            }
        }
        Ok(found)
    }

    fn info(&self) -> Result<Info> {
        let mut info = Info::EMPTY;
        // SAFETY: the structure is writable, has the kernel's layout and outlives the call.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), LOOP_GET_STATUS64, &mut info) };
        let shown = format_args!("loop{}", self.number);
        check(result.into(), "LOOP_GET_STATUS64", shown)?;
        Ok(info)
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `LOOP_CTL_GET_FREE`: a device without a file, made when all have one.
fn free() -> Result<u32> {
    let control = open_host("/dev/loop-control", OFlag::O_RDWR, 0)?;
    // SAFETY: an integer argument that is not used.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE, 0) };
    Ok(check(number.into(), "LOOP_CTL_GET_FREE", "")? as u32)
}

/// Numbers of the devices that have a file.
fn configured() -> Result<Vec<u32>> {
    let failed = |e| Error::new("readdir", "/sys/block", e);
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/sys/block").map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix("loop"));
        if let Some(Ok(number)) = number.map(str::parse)
            && entry.path().join("loop/backing_file").exists()
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

fn open(number: u32, read_only: bool) -> Result<OwnedFd> {
    let flags = if read_only {
        OFlag::O_RDONLY
    } else {
        OFlag::O_RDWR
    };
    match open_host(format!("/dev/loop{number}"), flags, 0) {
        Err(e) if e.errno() == libc::ENOENT => open_own_node(number, flags),
        other => other,
    }
}

/// Where nobody makes files in /dev for new devices, as in a container: a
/// file of our own in a filesystem that nobody else sees.
fn open_own_node(number: u32, flags: OFlag) -> Result<OwnedFd> {
    const NAME: &str = "device";
    let tmpfs = Context::open(c"tmpfs")?.mount(Attributes::NONE)?;
    let device = makedev(MAJOR, number.into());
    mknodat(&tmpfs, NAME, libc::S_IFBLK | 0o600, device)?;
    open_beneath(&tmpfs, NAME, flags, 0)
}

/// Makes `file` a hole of `size` bytes.
pub fn make_sparse(file: &File, size: u64) -> Result<()> {
    file.set_len(size)
        .map_err(|e| Error::new("ftruncate", size, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    const SIZE: u64 = 1 << 20;

    #[test]
    fn a_file_becomes_a_device_is_found_by_its_inode_and_goes_with_its_user() {
        let file = tempfile::tempfile().unwrap();
        make_sparse(&file, SIZE).unwrap();
        assert!(LoopDevice::of(&file).unwrap().is_none());
        let options = Options {
            block_size: 4096,
            read_only: false,
        };
        let device = LoopDevice::attach(&file, options).unwrap();
        let found = LoopDevice::of(&file).unwrap().expect("found");
        assert_eq!(found.number(), device.number());
        let mut written = File::options().write(true).open(device.path()).unwrap();
        written.write_all(&[7; 4096]).unwrap();
        written.sync_all().unwrap();
        let mut first = [0];
        let mut reader = &file;
        reader.seek(SeekFrom::Start(0)).unwrap();
        reader.read_exact(&mut first).unwrap();
        assert_eq!(first, [7]);
        drop((device, found, written));
        // udev may have it open for a moment.
        let gone = || LoopDevice::of(&file).unwrap().is_none();
        for _ in 0..500 {
            if gone() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the device stays");
    }

    #[test]
    fn a_device_without_a_file_in_dev_is_opened_by_its_number() {
        let file = tempfile::tempfile().unwrap();
        make_sparse(&file, SIZE).unwrap();
        let options = Options {
            block_size: 0,
            read_only: true,
        };
        let device = LoopDevice::attach(&file, options).unwrap();
        let again = open_own_node(device.number(), OFlag::O_RDONLY).unwrap();
        let same = |fd: &OwnedFd| stat_fd(fd).unwrap().st_rdev;
        assert_eq!(same(&again), same(&device.fd));
    }
}
