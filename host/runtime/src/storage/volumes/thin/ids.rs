//! The numbers of thin devices: each is given out once, so that no record can
//! mean another's device.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bulkhead_sys::directory::rename;
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

const NEXT: &str = "next-id";
const TEMPORARY: &str = "next-id.new";
/// Numbers taken by one write to the disk; after a crash the rest is left out.
const STRIDE: u32 = 64;
/// A thin device's number has 24 bits.
const LAST: u32 = (1 << 24) - 1;

/// What is free.
#[derive(Debug)]
pub(super) struct Ids(Mutex<Free>);

#[derive(Debug)]
struct Free {
    next: u32,
    /// The first that is not yet ours.
    end: u32,
}

impl Ids {
    /// Reads where the last daemon ended.
    pub(super) fn open(folder: &OwnedFd) -> Result<Self> {
        let next = match open_beneath(folder, NEXT, OFlag::O_RDONLY | OFlag::O_NOFOLLOW, 0) {
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => 1,
            other => {
                let mut text = String::new();
                File::from(other?)
                    .read_to_string(&mut text)
                    .map_err(|e| Error::new("read", NEXT, e))?;
                let next = text.trim().parse();
                next.map_err(|_| super::broken(format!("{NEXT} is {text:?}")))?
            }
        };
        Ok(Self(Mutex::new(Free { next, end: next })))
    }

    /// One that was never used.
    pub(super) fn take(&self, folder: &OwnedFd) -> Result<u32> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.next > LAST {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(Error::new("thin-pool", "no more numbers for devices", full));
        }
        if free.next >= free.end {
            let end = free.next.saturating_add(STRIDE);
            keep(folder, end)?;
            free.end = end;
        }
        free.next += 1;
        Ok(free.next - 1)
    }
}

fn keep(folder: &OwnedFd, end: u32) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let mut file = File::from(open_beneath(folder, TEMPORARY, flags, 0o600)?);
    file.write_all(end.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::new("write", NEXT, e))?;
    rename(folder, TEMPORARY, folder, NEXT)?;
    let opened = open_beneath(folder, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    File::from(opened)
        .sync_all()
        .map_err(|e| Error::new("fsync", NEXT, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice_even_by_the_next_daemon() {
        let temp = tempfile::tempdir().unwrap();
        let folder = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 {
            let ids = Ids::open(&folder).unwrap();
            for _ in 0..STRIDE + 3 {
                assert!(seen.insert(ids.take(&folder).unwrap()));
            }
        }
        assert!(!seen.contains(&0), "0 is none");
        std::fs::write(temp.path().join(NEXT), LAST.to_string()).unwrap();
        let ids = Ids::open(&folder).unwrap();
        assert_eq!(ids.take(&folder).unwrap(), LAST);
        assert!(ids.take(&folder).is_err());
        std::fs::write(temp.path().join(NEXT), "many").unwrap();
        assert!(Ids::open(&folder).is_err());
    }
}
