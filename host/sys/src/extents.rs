//! Where a file's bytes are (kernel `Documentation/filesystems/fiemap.rst`).

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Result, check};

/// `FS_IOC_FIEMAP`: `_IOWR('f', 11, struct fiemap)`.
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
const EXTENT_LAST: u32 = 0x1;
const EXTENT_SHARED: u32 = 0x2000;
/// Extents of one call.
const COUNT: usize = 256;

#[repr(C)]
#[derive(Clone, Copy)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Map {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; COUNT],
}

/// Bytes of a file's extents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    /// All that is no hole.
    pub all: u64,
    /// What no other file has, too.
    pub own: u64,
}

/// Counts the bytes of a file's extents.
///
/// # Errors
/// EOPNOTSUPP on filesystems that do not tell.
pub fn extents(file: impl AsFd) -> Result<Extents> {
    const EMPTY: Extent = Extent {
        logical: 0,
        physical: 0,
        length: 0,
        reserved64: [0; 2],
        flags: 0,
        reserved: [0; 3],
    };
    let mut found = Extents::default();
    let mut map = Box::new(Map {
        start: 0,
        length: u64::MAX,
        flags: 0,
        mapped: 0,
        count: COUNT as u32,
        reserved: 0,
        extents: [EMPTY; COUNT],
    });
    loop {
        map.length = u64::MAX - map.start;
        // SAFETY: the structure is writable, has the kernel's layout and room
        // for as many extents as it says.
        let result = unsafe {
            libc::ioctl(
                file.as_fd().as_raw_fd(),
                FS_IOC_FIEMAP as libc::Ioctl,
                &raw mut *map,
            )
        };
        check(result.into(), "FS_IOC_FIEMAP", map.start)?;
        let mapped = &map.extents[..(map.mapped as usize).min(COUNT)];
        for extent in mapped {
            found.all += extent.length;
            if extent.flags & EXTENT_SHARED == 0 {
                found.own += extent.length;
            }
        }
        match mapped.last() {
            Some(last) if last.flags & EXTENT_LAST == 0 => map.start = last.logical + last.length,
            _ => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn holes_do_not_count() {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&[1; 8192]).unwrap();
        file.write_all_at(&[1; 4096], 1 << 20).unwrap();
        file.sync_all().unwrap();
        let Ok(found) = extents(&file) else {
            // The checkout's filesystem does not tell.
            return;
        };
        assert_eq!(found.all, 12288);
        assert_eq!(found.own, 12288);
    }
}
