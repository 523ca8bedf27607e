//! The walk that writes an archive.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::EntryType;

use super::attributes::{extended, inside};
use super::header::{Entry, MAX_EXTENDED, encode};
use super::{Names, PackError, Packed, Style};
use crate::root::{Found, is_kernels};
use crate::walk::{Descent, id, names, open_directory, reopen_directory, unless_gone};

const BLOCK: u64 = 512;
/// Bytes read at a time.
const CHUNK: usize = 128 * 1024;
/// Leaves room for a link's target beside the name.
const MAX_NAME: usize = MAX_EXTENDED / 2 - 4096;

pub(super) struct Writer<'a, W> {
    out: W,
    style: Style<'a>,
    /// Files with several names, by device and inode: the first name.
    links: HashMap<(u64, u64), Vec<u8>>,
    blocks: Vec<u8>,
    chunk: Vec<u8>,
    packed: Packed,
}

pub(super) fn write(
    top: &Found,
    archive: Names,
    style: Style<'_>,
    out: impl Write,
) -> Result<Packed, PackError> {
    let mut writer = Writer::new(style, out);
    let is_dir = FileType::from_raw_mode(top.stat.st_mode) == FileType::Directory;
    if is_dir {
        writer.tree(top, archive)?;
    } else if let Some(name) = archive.top {
        writer.other(top.file.as_fd(), &top.stat, &name)?;
    }
    writer.finish()
}

impl<'a, W: Write> Writer<'a, W> {
    pub(super) fn new(style: Style<'a>, out: W) -> Self {
        Self {
            out,
            style,
            links: HashMap::new(),
            blocks: Vec::new(),
            chunk: vec![0; CHUNK],
            packed: Packed::default(),
        }
    }

    /// Two blocks of zeros are the end.
    pub(super) fn finish(mut self) -> Result<Packed, PackError> {
        let end = [0; 2 * BLOCK as usize];
        self.out.write_all(&end).map_err(PackError::Write)?;
        self.out.flush().map_err(PackError::Write)?;
        Ok(self.packed)
    }

    fn tree(&mut self, top: &Found, archive: Names) -> Result<(), PackError> {
        let mut path = archive.prefix;
        let dir = reopen_directory(top.file.as_fd()).map_err(|e| io_error("open", &path, e))?;
        if let Some(name) = archive.top {
            self.directory(dir.as_fd(), &top.stat, [&name[..], b"/"].concat())?;
        }
        if top.hidden {
            return Ok(());
        }
        let mut descent = Descent::default();
        let mut left = Vec::new();
        self.enter(dir, &top.stat, &path, &mut descent, &mut left)?;
        while let Some(names) = left.last_mut() {
            let Some(name) = names.next() else {
                left.pop();
                descent
                    .leave()
                    .map_err(|e| io_error("return to the parent of", &path, e))?;
                path.pop();
                path.truncate(path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1));
                continue;
            };
            let Some(here) = descent.here() else { break };
            let length = path.len();
            path.extend_from_slice(&name);
            let entered = self.entry(here, &name, &path)?;
            match entered {
                Some((dir, stat)) => {
                    path.push(b'/');
                    if path.len() > MAX_NAME {
                        return Err(PackError::NameTooLong(show(&path)));
                    }
                    self.enter(dir, &stat, &path, &mut descent, &mut left)?;
                }
                None => path.truncate(length),
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        dir: OwnedFd,
        stat: &Stat,
        path: &[u8],
        descent: &mut Descent,
        left: &mut Vec<std::vec::IntoIter<Vec<u8>>>,
    ) -> Result<(), PackError> {
        let found = names(dir.as_fd()).map_err(|e| io_error("read directory", path, e))?;
        left.push(found.into_iter());
        descent.enter(dir, stat);
        Ok(())
    }

    /// Writes what is called `name`; gives a directory that is to be entered.
    pub(super) fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<Option<(OwnedFd, Stat)>, PackError> {
        let failed = |e| io_error("stat", path, e);
        let looked = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let Some(stat) = unless_gone(looked).map_err(failed)? else {
            return Ok(None);
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let opened = unless_gone(open_directory(dir, name));
            let Some(child) = opened.map_err(|e| io_error("open", path, e))? else {
                return Ok(None);
            };
            let stat = fs::fstat(&child).map_err(failed)?;
            self.directory(child.as_fd(), &stat, [path, b"/"].concat())?;
            // Only a mount can be the kernel's.
            let above = fs::fstat(dir).map_err(failed)?;
            let hidden =
                stat.st_dev != above.st_dev && is_kernels(child.as_fd()).map_err(failed)?;
            return Ok((!hidden).then_some((child, stat)));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = unless_gone(fs::openat(dir, name, flags, Mode::empty()));
        let Some(file) = opened.map_err(|e| io_error("open", path, e))? else {
            return Ok(None);
        };
        let stat = fs::fstat(&file).map_err(failed)?;
        self.other(file.as_fd(), &stat, path)?;
        Ok(None)
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        stat: &Stat,
        name: Vec<u8>,
    ) -> Result<(), PackError> {
        let mut entry = self.described(stat, EntryType::Directory, &name);
        entry.xattrs = extended(dir).map_err(|e| io_error("read attributes of", &name, e))?;
        self.header(&entry)
    }

    /// Anything but a directory, by a descriptor for its path alone.
    fn other(&mut self, file: BorrowedFd<'_>, stat: &Stat, name: &[u8]) -> Result<(), PackError> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryType::Regular,
            FileType::Symlink => EntryType::Symlink,
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            // Archives have no sockets, and a directory came in its place just now.
            _ => return Ok(()),
        };
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&id(stat)).cloned() {
                let mut entry = self.described(stat, EntryType::Link, name);
                entry.link = &first;
                return self.header(&entry);
            }
            self.links.insert(id(stat), name.to_vec());
        }
        match kind {
            EntryType::Regular => self.file(file, stat, name),
            EntryType::Symlink => {
                let target = fs::readlinkat(file, "", Vec::new())
                    .map_err(|e| io_error("read link", name, e))?;
                let mut entry = self.described(stat, kind, name);
                entry.link = target.as_bytes();
                self.header(&entry)
            }
            _ => self.header(&self.described(stat, kind, name)),
        }
    }

    /// The file itself is opened through its descriptor's own magic link: no
    /// name can have come to mean something else.
    fn file(&mut self, handle: BorrowedFd<'_>, stat: &Stat, name: &[u8]) -> Result<(), PackError> {
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = fs::open(path, flags, Mode::empty());
        let mut file = File::from(opened.map_err(|e| io_error("open", name, e))?);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut entry = self.described(stat, EntryType::Regular, name);
        entry.size = size;
        entry.xattrs =
            extended(file.as_fd()).map_err(|e| io_error("read attributes of", name, e))?;
        self.header(&entry)?;
        self.packed.bytes += size;
        self.data(&mut file, size, name)
    }

    fn data(&mut self, file: &mut File, size: u64, name: &[u8]) -> Result<(), PackError> {
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let got = match file.read(&mut self.chunk[..want]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(source) => {
                    return Err(PackError::Io {
                        operation: "read",
                        path: show(name),
                        source,
                    });
                }
            };
            self.out
                .write_all(&self.chunk[..got])
                .map_err(PackError::Write)?;
            left -= got as u64;
        }
        // The file shrank.
        self.zeros(left)?;
        self.zeros(size.next_multiple_of(BLOCK) - size)
    }

    fn zeros(&mut self, mut left: u64) -> Result<(), PackError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while left > 0 {
            let n = left.min(ZEROS.len() as u64);
            self.out
                .write_all(&ZEROS[..n as usize])
                .map_err(PackError::Write)?;
            left -= n;
        }
        Ok(())
    }

    fn described<'n>(&self, stat: &Stat, kind: EntryType, name: &'n [u8]) -> Entry<'n> {
        Entry {
            kind,
            name,
            link: b"",
            mode: stat.st_mode,
            uid: inside(self.style.ids, stat.st_uid),
            gid: inside(self.style.ids, stat.st_gid),
            size: 0,
            mtime: (
                stat.st_mtime,
                u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            device: (fs::major(stat.st_rdev), fs::minor(stat.st_rdev)),
            xattrs: Vec::new(),
        }
    }

    pub(super) fn header(&mut self, entry: &Entry<'_>) -> Result<(), PackError> {
        self.blocks.clear();
        encode(entry, self.style.times, &mut self.blocks)
            .ok_or_else(|| PackError::NameTooLong(show(entry.name)))?;
        self.packed.entries += 1;
        self.out.write_all(&self.blocks).map_err(PackError::Write)
    }
}

pub(super) fn io_error(operation: &'static str, path: &[u8], errno: Errno) -> PackError {
    PackError::Io {
        operation,
        path: show(path),
        source: errno.into(),
    }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(&path[..path.len().min(300)]).into_owned()
}
