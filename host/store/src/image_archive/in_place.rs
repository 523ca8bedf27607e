//! An archive that stays where it is: where each member's bytes are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use bulkhead_model::Digest;
use bulkhead_model::registry::FileFacts;
use sha2::{Digest as _, Sha256};

use super::error::ArchiveError;
use super::members::{Members, shown};
use super::receive::LIMITS;
use crate::error::StoreError;
use crate::unpack::archive::Archive;
use crate::unpack::compression::Compression;
use crate::unpack::entry::{Entry, EntryKind};
use crate::unpack::walk;

/// Bytes by which a compression is told.
const MAGIC: usize = 8;

/// A tar file and an index of its members. The file may change meanwhile:
/// whoever reads a member compares what comes with the member's digest.
#[derive(Debug)]
pub struct InPlace {
    file: File,
    members: Members<Extent>,
}

/// A member's place and what is known of it.
#[derive(Debug)]
struct Extent {
    offset: u64,
    facts: FileFacts,
}

impl InPlace {
    /// Reads an uncompressed archive to its end and hashes its members, which
    /// takes as long as reading the file does.
    pub fn read(file: File) -> Result<Self, ArchiveError> {
        let mut start = [0; MAGIC];
        let n = file.read_at(&mut start, 0).map_err(failed)?;
        match Compression::of(&start[..n]) {
            Compression::None => {}
            other => return Err(ArchiveError::Compressed(other.name())),
        }
        let whole = Section {
            file: &file,
            offset: 0,
            left: u64::MAX,
        };
        let members = walk(whole, &LIMITS, |archive| {
            let mut members = Members::default();
            while let Some(entry) = archive.next_entry()? {
                member(archive, &entry, &mut members)?;
            }
            Ok::<_, ArchiveError>(members)
        })?;
        Ok(Self { file, members })
    }

    /// What is known of a member.
    pub fn facts(&self, name: &str) -> Result<&FileFacts, ArchiveError> {
        Ok(&self.members.find(name)?.facts)
    }

    /// A member's bytes from `skip` on.
    pub fn open(&self, name: &str, skip: u64) -> Result<impl Read + '_, ArchiveError> {
        let Extent { offset, facts } = self.members.find(name)?;
        let skip = skip.min(facts.size);
        Ok(Section {
            file: &self.file,
            offset: offset + skip,
            left: facts.size - skip,
        })
    }
}

fn failed(source: io::Error) -> ArchiveError {
    StoreError::io("read", "image archive", source).into()
}

fn member(
    archive: &mut Archive,
    entry: &Entry,
    members: &mut Members<Extent>,
) -> Result<(), ArchiveError> {
    // No document can name what is not UTF-8.
    let Ok(name) = str::from_utf8(&entry.raw_path) else {
        return Ok(());
    };
    let link = || String::from_utf8_lossy(&entry.link).into_owned();
    match entry.kind {
        EntryKind::File if entry.sparse.is_some() => Err(ArchiveError::Member {
            name: shown(name),
            reason: "is a sparse file",
        }),
        EntryKind::File => members.file(name, extent(archive, entry.size)?),
        EntryKind::Symlink => members.symbolic_link(name, &link()),
        EntryKind::HardLink => members.hard_link(name, &link()),
        // Nothing an image consists of.
        EntryKind::Directory
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. }
        | EntryKind::Fifo => Ok(()),
    }
}

fn extent(archive: &mut Archive, size: u64) -> Result<Extent, ArchiveError> {
    let offset = archive.offset();
    let mut start = Vec::with_capacity(MAGIC);
    let mut hasher = Sha256::new();
    let mut left = size;
    while left > 0 {
        let bytes = archive.data(left)?;
        let n = bytes.len();
        start.extend_from_slice(&bytes[..n.min(MAGIC - start.len())]);
        hasher.update(bytes);
        archive.consume(n);
        left -= n as u64;
    }
    let compression = match Compression::of(&start) {
        Compression::None => "none",
        other => other.name(),
    };
    Ok(Extent {
        offset,
        facts: FileFacts {
            size,
            digest: Digest::from_sha256(hasher.finalize().into()),
            compression,
        },
    })
}

/// Bytes of a file, read by offset: several readers do not disturb each other.
struct Section<'f> {
    file: &'f File,
    offset: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = wanted.min(buffer.len());
        let n = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn header(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header
    }

    fn archive(links: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let big = vec![7; 700_000];
        for (name, bytes) in [("a", &b"first"[..]), ("f/big", &big), ("z", b"last")] {
            let mut header = header(name, tar::EntryType::Regular, bytes.len() as u64);
            header.set_cksum();
            tar.append(&header, bytes).unwrap();
        }
        for (name, target) in links {
            let mut header = header(name, tar::EntryType::Symlink, 0);
            header.set_link_name(target).unwrap();
            header.set_cksum();
            tar.append(&header, io::empty()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<InPlace, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        InPlace::read(file)
    }

    fn content(archive: &InPlace, name: &str, skip: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut reader = archive.open(name, skip).unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn members_are_read_at_their_place_and_have_their_digest() {
        let archive = read(&archive(&[("link", "f/big")])).unwrap();
        assert_eq!(content(&archive, "a", 0), b"first");
        assert_eq!(content(&archive, "z", 2), b"st");
        assert_eq!(content(&archive, "z", 9), b"");
        let big = vec![7; 700_000];
        assert_eq!(content(&archive, "link", 0), big);
        let facts = archive.facts("link").unwrap();
        let expected = Digest::from_sha256(Sha256::digest(&big).into());
        assert_eq!((facts.size, &facts.digest), (700_000, &expected));
        assert_eq!(facts.compression, "none");
    }

    #[test]
    fn no_link_leads_to_a_file_of_this_host() {
        let archive = read(&archive(&[("a", "/etc/hostname"), ("z", "../../x")])).unwrap();
        for name in ["a", "z", "../a", "/etc/hostname"] {
            let error = archive.facts(name).unwrap_err();
            assert!(matches!(error, ArchiveError::Outside(_)), "{name}: {error}");
        }
    }

    #[test]
    fn an_archive_that_is_compressed_or_broken_off_is_refused() {
        let gzip = read(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]).unwrap_err();
        assert!(matches!(gzip, ArchiveError::Compressed("gzip")), "{gzip}");
        let whole = archive(&[]);
        let error = read(&whole[..whole.len() / 2]).unwrap_err();
        assert!(matches!(error, ArchiveError::Read(_)), "{error}");
    }
}
