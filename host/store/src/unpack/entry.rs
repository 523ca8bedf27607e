//! One entry of an archive.

use super::sparse::Fragment;

/// What an entry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    HardLink,
    Symlink,
    Directory,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

/// An entry with everything its headers say.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: EntryKind,
    /// As the archive has it.
    pub(crate) raw_path: Vec<u8>,
    /// The target of a link, as the archive has it.
    pub(crate) link: Vec<u8>,
    /// 0o7777 at most.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since the epoch and nanoseconds after.
    pub(super) mtime: (i64, i64),
    /// The file's size; for a sparse file its apparent one.
    pub(crate) size: u64,
    /// Where a sparse file's data goes.
    pub(crate) sparse: Option<Vec<Fragment>>,
    /// Names and values.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
