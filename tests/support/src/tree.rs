//! A layer as a list of entries, good or hostile.

use std::io::Write;

use tar::{Builder, EntryType, Header};

/// Builds one tar archive, entry by entry, in order. Names are written as they
/// are given: `..` and absolute ones too.
pub struct Tree {
    archive: Builder<Vec<u8>>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// An empty archive.
    pub fn new() -> Self {
        Tree {
            archive: Builder::new(Vec::new()),
        }
    }

    /// A directory.
    #[must_use]
    pub fn dir(self, name: &str, mode: u32) -> Self {
        self.entry(name, EntryType::Directory, mode, None, b"")
    }

    /// A regular file.
    #[must_use]
    pub fn file(self, name: &str, mode: u32, bytes: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, mode, None, bytes)
    }

    /// A symbolic link called `name`.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, 0o777, Some(target), b"")
    }

    /// A hard link called `name` to an earlier entry.
    #[must_use]
    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, 0o644, Some(target), b"")
    }

    /// The mark that removes `name` of the layers below (OCI image spec, "Whiteouts").
    #[must_use]
    pub fn whiteout(self, name: &str) -> Self {
        let (dir, base) = name
            .rsplit_once('/')
            .map_or(("", name), |(dir, base)| (dir, base));
        let separator = if dir.is_empty() { "" } else { "/" };
        self.file(&format!("{dir}{separator}.wh.{base}"), 0o644, b"")
    }

    /// Any entry at all, owned by root at time zero.
    #[must_use]
    pub fn entry(
        mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        link: Option<&str>,
        bytes: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        // Past the crate's own checks, which refuse what a hostile layer has.
        let fields = header.as_old_mut();
        put(&mut fields.name, name);
        put(&mut fields.linkname, link.unwrap_or_default());
        header.set_cksum();
        self.archive
            .append(&header, bytes)
            .expect("append to an archive in memory");
        self
    }

    /// The archive with its end mark.
    pub fn into_tar(self) -> Vec<u8> {
        self.archive.into_inner().expect("end an archive in memory")
    }
}

fn put(field: &mut [u8; 100], text: &str) {
    let mut rest = field.as_mut_slice();
    rest.write_all(text.as_bytes())
        .unwrap_or_else(|_| panic!("{text:?} is longer than 100 bytes"));
}
