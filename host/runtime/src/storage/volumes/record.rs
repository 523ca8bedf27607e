//! Which volume a directory keeps: an attribute of the directory, which moves
//! with it. Only the host's root can set attributes of this kind, and the
//! directory's inode is part of it: no content of an image or a container, and
//! no copy of a directory, passes for a volume.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use bulkhead_model::storage::Filesystem;
use bulkhead_sys::directory::stat_fd;
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::xattr::{set_xattr_fd, xattr_dir};
use bulkhead_sys::{Error, Result};

const ATTRIBUTE: &CStr = c"trusted.bulkhead.volume";

/// What is known of a volume without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) filesystem: Filesystem,
    /// Bytes.
    pub(super) size: u64,
    /// Its number in the thin pool; 0 without one.
    pub(super) id: u32,
    /// Bytes that it had when it was made, all of them its origin's; thin only.
    pub(super) shared: u64,
    /// Bytes that it had when it was first snapshotted; 0: it was not.
    pub(super) given: u64,
}

impl Record {
    /// Of a volume of zeros.
    pub(super) fn new(filesystem: Filesystem, size: u64) -> Self {
        Self {
            filesystem,
            size,
            id: 0,
            shared: 0,
            given: 0,
        }
    }

    /// The record of a directory that keeps a volume.
    ///
    /// # Errors
    /// EINVAL for one that does not make sense.
    pub(super) fn read(dir: &OwnedFd) -> Result<Option<Self>> {
        let Some(value) = xattr_dir(dir, ATTRIBUTE)? else {
            return Ok(None);
        };
        if value.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&value);
        let (inode, record) = Self::parse(&text).ok_or_else(|| {
            let invalid = std::io::ErrorKind::InvalidData;
            Error::new(
                "volume",
                format!("record {text:?}"),
                std::io::Error::from(invalid),
            )
        })?;
        Ok((inode == stat_fd(dir)?.st_ino).then_some(record))
    }

    /// Keeps the record, on the disk before anything it names is made.
    pub(super) fn write(&self, dir: &OwnedFd) -> Result<()> {
        let text = self.text(stat_fd(dir)?.st_ino);
        set_xattr_fd(dir, ATTRIBUTE, text.as_bytes())
    }

    /// [`Record::write`], and it is on the disk.
    pub(super) fn write_through(&self, dir: &OwnedFd) -> Result<()> {
        self.write(dir)?;
        // The caller's may be a mere handle.
        let dir = open_beneath(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
        std::fs::File::from(dir)
            .sync_all()
            .map_err(|e| Error::new("fsync", "a volume's record", e))
    }

    /// The directory keeps none any more.
    pub(super) fn clear(dir: &OwnedFd) -> Result<()> {
        set_xattr_fd(dir, ATTRIBUTE, b"")
    }

    fn text(&self, inode: u64) -> String {
        let filesystem = self.filesystem.as_str();
        let Self {
            size,
            id,
            shared,
            given,
            ..
        } = self;
        format!("{inode} {filesystem} {size} {id} {shared} {given}")
    }

    fn parse(text: &str) -> Option<(u64, Self)> {
        let mut words = text.split(' ');
        let inode = words.next()?.parse().ok()?;
        let filesystem = words.next()?;
        let all = Filesystem::ALL.into_iter();
        let record = Self {
            filesystem: all.clone().find(|fs| fs.as_str() == filesystem)?,
            size: words.next()?.parse().ok()?,
            id: words.next()?.parse().ok()?,
            shared: words.next()?.parse().ok()?,
            given: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some((inode, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_a_copy_is_none() {
        let record = Record {
            filesystem: Filesystem::Xfs,
            size: 10 << 30,
            id: 17,
            shared: 4096,
            given: 0,
        };
        assert_eq!(Record::parse(&record.text(5)), Some((5, record)));
        for bad in [
            "",
            "5",
            "5 ext3 1 0 0 0",
            "5 ext4 1 0 0",
            "5 ext4 -1 0 0 0",
            "5 ext4 1 0 0 0 x",
        ] {
            assert_eq!(Record::parse(bad), None, "{bad:?}");
        }
        let temp = tempfile::tempdir().unwrap();
        let dir = |name: &str| {
            let path = temp.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let flags = bulkhead_sys::path::OFlag::O_RDONLY;
            bulkhead_sys::path::open_host(path, flags, 0).unwrap()
        };
        let (one, other) = (dir("one"), dir("other"));
        assert_eq!(Record::read(&one).unwrap(), None);
        record.write_through(&one).unwrap();
        assert_eq!(Record::read(&one).unwrap(), Some(record));
        let copied = xattr_dir(&one, ATTRIBUTE).unwrap().unwrap();
        set_xattr_fd(&other, ATTRIBUTE, &copied).unwrap();
        assert_eq!(Record::read(&other).unwrap(), None);
    }
}
