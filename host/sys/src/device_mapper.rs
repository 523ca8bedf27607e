//! Device-mapper by its control device (kernel `include/uapi/linux/dm-ioctl.h`,
//! `Documentation/admin-guide/device-mapper/`).
//!
//! Nothing here waits for udev: a device is addressed by its numbers, and
//! opened through [`crate::block_device`].

use std::os::fd::{AsRawFd, OwnedFd};

use crate::directory::split_device;
use crate::error::{Error, Result};
use crate::path::{OFlag, open_host};

const HEADER: usize = 312;
const NAME: usize = 128;
/// Room for what a call answers; lists of many devices are asked for again.
const ANSWER: usize = 16 << 10;
const MAX_ANSWER: usize = 4 << 20;

/// `DM_*_CMD`
#[derive(Clone, Copy, Debug)]
enum Command {
    ListDevices = 2,
    Create = 3,
    Remove = 4,
    Suspend = 6,
    Status = 7,
    Load = 9,
    TableStatus = 12,
    Versions = 13,
    Message = 14,
}

impl Command {
    /// `_IOWR(DM_IOCTL, command, struct dm_ioctl)`
    fn number(self) -> libc::Ioctl {
        (0xc138_fd00_u32 | self as u32) as libc::Ioctl
    }

    fn name(self) -> &'static str {
        match self {
            Self::ListDevices => "DM_LIST_DEVICES",
            Self::Create => "DM_DEV_CREATE",
            Self::Remove => "DM_DEV_REMOVE",
            Self::Suspend => "DM_DEV_SUSPEND",
            Self::Status => "DM_DEV_STATUS",
            Self::Load => "DM_TABLE_LOAD",
            Self::TableStatus => "DM_TABLE_STATUS",
            Self::Versions => "DM_LIST_VERSIONS",
            Self::Message => "DM_TARGET_MSG",
        }
    }
}

const SUSPEND: u32 = 1 << 1;
const STATUS_TABLE: u32 = 1 << 4;
const BUFFER_FULL: u32 = 1 << 8;
const DEFERRED_REMOVE: u32 = 1 << 17;

/// The control device.
#[derive(Debug)]
pub struct DeviceMapper(OwnedFd);

/// What is known of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its numbers, as in `st_rdev`.
    pub number: u64,
    /// How many have it open.
    pub open: u32,
    /// It goes with the last one who has it open.
    pub going: bool,
    /// What is written to it waits.
    pub suspended: bool,
}

impl Device {
    /// `major:minor`, as tables of other devices name it.
    pub fn numbers(&self) -> String {
        let (major, minor) = split_device(self.number);
        format!("{major}:{minor}")
    }
}

/// The one target of a device's table.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Such as `thin`.
    pub kind: &'a str,
    /// 512-byte sectors, from the device's first.
    pub sectors: u64,
    /// The target's own arguments.
    pub arguments: &'a str,
}

impl DeviceMapper {
    /// Opens the control device.
    ///
    /// # Errors
    /// ENOENT where the kernel has no device-mapper, or nobody loaded it.
    pub fn open() -> Result<Self> {
        Ok(Self(open_host("/dev/mapper/control", OFlag::O_RDWR, 0)?))
    }

    /// Names of the targets the kernel has loaded.
    pub fn targets(&self) -> Result<Vec<String>> {
        let answer = self.ask(Command::Versions, "", 0)?;
        Ok(records(&answer, 0, 16)
            .map(|record| text(&record[16..]))
            .collect())
    }

    /// Names of all devices.
    pub fn devices(&self) -> Result<Vec<String>> {
        let answer = self.ask(Command::ListDevices, "", 0)?;
        // An empty list is one record whose number is zero.
        let found = records(&answer, 8, 12).filter(|record| record[..8] != [0; 8]);
        Ok(found.map(|record| text(&record[12..])).collect())
    }

    /// `DM_DEV_CREATE`: a device without a table.
    ///
    /// # Errors
    /// EBUSY when the name is taken.
    pub fn create(&self, name: &str) -> Result<Device> {
        Ok(device(&self.ask(Command::Create, name, 0)?))
    }

    /// `DM_TABLE_LOAD`; [`DeviceMapper::resume`] puts it into use.
    pub fn load(&self, name: &str, target: Target<'_>) -> Result<()> {
        let mut spec = Vec::new();
        spec.extend(0u64.to_ne_bytes());
        spec.extend(target.sectors.to_ne_bytes());
        spec.extend([0; 8]);
        let mut kind = [0u8; 16];
        let known = target.kind.as_bytes();
        if known.len() >= kind.len() {
            return Err(invalid("DM_TABLE_LOAD", target.kind));
        }
        kind[..known.len()].copy_from_slice(known);
        spec.extend(kind);
        spec.extend(target.arguments.as_bytes());
        spec.push(0);
        let shown = format!("{name}, {} {}", target.kind, target.arguments);
        let request = Request {
            command: Command::Load,
            name,
            flags: 0,
            targets: 1,
            payload: &spec,
        };
        self.call(&request, &shown).map(drop)
    }

    /// `DM_DEV_SUSPEND`: waits for what is under way and holds the rest; a
    /// filesystem on it is frozen.
    pub fn suspend(&self, name: &str) -> Result<()> {
        self.ask(Command::Suspend, name, SUSPEND).map(drop)
    }

    /// `DM_DEV_SUSPEND` without its flag: the loaded table is used from now on.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.ask(Command::Suspend, name, 0).map(drop)
    }

    /// `DM_DEV_REMOVE` of a device that nobody has open.
    ///
    /// # Errors
    /// ENXIO without such a device, EBUSY when it is open.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.ask(Command::Remove, name, 0).map(drop)
    }

    /// `DM_DEV_REMOVE` with `DM_DEFERRED_REMOVE`: it goes with the last one
    /// who has it open, whatever becomes of this process.
    ///
    /// # Errors
    /// ENXIO without such a device.
    pub fn remove_when_unused(&self, name: &str) -> Result<()> {
        self.ask(Command::Remove, name, DEFERRED_REMOVE).map(drop)
    }

    /// `DM_DEV_STATUS`; `None` without such a device.
    pub fn device(&self, name: &str) -> Result<Option<Device>> {
        match self.ask(Command::Status, name, 0) {
            Ok(answer) => Ok(Some(device(&answer))),
            Err(e) if e.errno() == libc::ENXIO => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `DM_TABLE_STATUS`: what the device's target says of itself.
    pub fn status(&self, name: &str) -> Result<String> {
        let answer = self.ask(Command::TableStatus, name, 0)?;
        Ok(target_text(&answer))
    }

    /// `DM_TABLE_STATUS` with `DM_STATUS_TABLE`: the arguments of its target.
    pub fn table(&self, name: &str) -> Result<String> {
        let answer = self.ask(Command::TableStatus, name, STATUS_TABLE)?;
        Ok(target_text(&answer))
    }

    /// `DM_TARGET_MSG` to the device's target.
    pub fn message(&self, name: &str, message: &str) -> Result<()> {
        let mut payload = vec![0; 8];
        payload.extend(message.as_bytes());
        payload.push(0);
        let request = Request {
            command: Command::Message,
            name,
            flags: 0,
            targets: 0,
            payload: &payload,
        };
        self.call(&request, &format!("{name}, {message}")).map(drop)
    }

    fn ask(&self, command: Command, name: &str, flags: u32) -> Result<Vec<u8>> {
        let request = Request {
            command,
            name,
            flags,
            targets: 0,
            payload: &[],
        };
        self.call(&request, name)
    }

    fn call(&self, request: &Request<'_>, shown: &str) -> Result<Vec<u8>> {
        let call = request.command.name();
        let mut room = ANSWER;
        loop {
            let mut buffer = request.encode(room).ok_or_else(|| invalid(call, shown))?;
            // SAFETY: the buffer begins with the header, whose data_size is its length.
            let result = unsafe {
                libc::ioctl(
                    self.0.as_raw_fd(),
                    request.command.number(),
                    buffer.as_mut_ptr(),
                )
            };
            if result < 0 {
                return Err(Error::last(call, shown));
            }
            if word(&buffer, 28) & BUFFER_FULL == 0 {
                return Ok(buffer);
            }
            room *= 4;
            if room > MAX_ANSWER {
                return Err(Error::new(call, shown, nix::errno::Errno::EOVERFLOW));
            }
        }
    }
}

struct Request<'a> {
    command: Command,
    name: &'a str,
    flags: u32,
    targets: u32,
    payload: &'a [u8],
}

impl Request<'_> {
    /// `struct dm_ioctl` and its data; `None` for a name that does not fit.
    fn encode(&self, room: usize) -> Option<Vec<u8>> {
        let name = self.name.as_bytes();
        if name.len() >= NAME || name.contains(&0) || self.payload.is_empty() && self.targets > 0 {
            return None;
        }
        let size = (HEADER + self.payload.len()).next_multiple_of(8).max(room);
        let mut buffer = vec![0u8; size];
        let mut put = |at: usize, value: u32| {
            buffer[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        // Version 4.0.0 of the interface; newer kernels answer all of 4.
        put(0, 4);
        put(12, u32::try_from(size).ok()?);
        put(16, HEADER as u32);
        put(20, self.targets);
        put(28, self.flags);
        buffer[48..48 + name.len()].copy_from_slice(name);
        buffer[HEADER..HEADER + self.payload.len()].copy_from_slice(self.payload);
        Some(buffer)
    }
}

fn invalid(call: &'static str, shown: &str) -> Error {
    Error::new(call, shown, nix::errno::Errno::EINVAL)
}

fn word(buffer: &[u8], at: usize) -> u32 {
    let bytes = buffer.get(at..at + 4).and_then(|b| b.try_into().ok());
    u32::from_ne_bytes(bytes.unwrap_or_default())
}

fn device(answer: &[u8]) -> Device {
    let number = answer.get(40..48).and_then(|b| b.try_into().ok());
    // `huge_encode_dev`, which is what st_rdev has, too.
    Device {
        number: u64::from_ne_bytes(number.unwrap_or_default()),
        open: word(answer, 24),
        going: word(answer, 28) & DEFERRED_REMOVE != 0,
        suspended: word(answer, 28) & SUSPEND != 0,
    }
}

/// The text up to the NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// What comes after the first `struct dm_target_spec` (40 bytes).
fn target_text(answer: &[u8]) -> String {
    let data = word(answer, 16) as usize;
    match (word(answer, 20), answer.get(data + 40..)) {
        (1.., Some(rest)) => text(rest),
        _ => String::new(),
    }
}

/// The records of a list: each tells at `next` how far the following is, 0
/// at the last; none is shorter than `shortest`.
fn records(answer: &[u8], next: usize, shortest: usize) -> impl Iterator<Item = &[u8]> {
    let data = word(answer, 16) as usize;
    let mut rest = (word(answer, 12) as usize > data)
        .then(|| answer.get(data..))
        .flatten();
    std::iter::from_fn(move || {
        let record = rest.filter(|record| record.len() > shortest)?;
        let step = word(record, next) as usize;
        rest = (step > 0).then(|| record.get(step..)).flatten();
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_kernels_layout() {
        let request = Request {
            command: Command::Message,
            name: "pool",
            flags: DEFERRED_REMOVE,
            targets: 0,
            payload: b"\0\0\0\0\0\0\0\0create_thin 1\0",
        };
        let bytes = request.encode(0).unwrap();
        assert_eq!(bytes.len() % 8, 0);
        assert_eq!(word(&bytes, 0), 4);
        assert_eq!(word(&bytes, 12) as usize, bytes.len());
        assert_eq!(word(&bytes, 16), 312);
        assert_eq!(text(&bytes[48..]), "pool");
        assert_eq!(text(&bytes[320..]), "create_thin 1");
        assert_eq!(Command::Create.number() as u32, 0xc138_fd03);
    }

    #[test]
    fn names_that_do_not_fit_are_refused_here() {
        for name in ["a".repeat(128), "a\0b".to_owned()] {
            let request = Request {
                command: Command::Create,
                name: &name,
                flags: 0,
                targets: 0,
                payload: &[],
            };
            assert!(request.encode(0).is_none());
        }
    }

    #[test]
    fn lists_end_where_the_kernel_says() {
        let mut answer = vec![0u8; 400];
        answer[12..16].copy_from_slice(&400u32.to_ne_bytes());
        answer[16..20].copy_from_slice(&312u32.to_ne_bytes());
        answer[312..320].copy_from_slice(&7u64.to_ne_bytes());
        answer[320..324].copy_from_slice(&24u32.to_ne_bytes());
        answer[324..326].copy_from_slice(b"a\0");
        answer[336..344].copy_from_slice(&8u64.to_ne_bytes());
        answer[348..351].copy_from_slice(b"bc\0");
        let names: Vec<String> = records(&answer, 8, 12).map(|r| text(&r[12..])).collect();
        assert_eq!(names, ["a", "bc"]);
        // A list that lies about its steps ends.
        answer[320..324].copy_from_slice(&9999u32.to_ne_bytes());
        assert_eq!(records(&answer, 8, 12).count(), 1);
    }
}
