//! A container's archive into local files. The container may be hostile: no
//! name leads out of the directory that the user named, through links neither,
//! and nothing is written through what is there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, makedev,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

/// Unpacks below `directory`; `rename` changes names of the archive.
pub(super) fn unpack(
    archive: impl Read,
    directory: &Path,
    rename: impl Fn(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(directory, flags, Mode::empty())?;
    let mut times = Vec::new();
    let mut archive = Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = below(&rename(&entry.path_bytes()))?;
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            continue;
        };
        let parent = parent(&root, path.parent().unwrap_or(Path::new("")))?;
        place(&root, &parent, &name, &mut entry, &rename)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        match entry.header().entry_type() {
            EntryType::Link => {}
            // What is put into a directory changes its time.
            EntryType::Directory => times.push((path, mtime(&mut entry)?)),
            _ => set_time(&parent, &name, mtime(&mut entry)?)?,
        }
    }
    for (path, time) in times.iter().rev() {
        if let (Some(name), Ok(dir)) = (
            path.file_name(),
            parent(&root, path.parent().unwrap_or(Path::new(""))),
        ) {
            set_time(&dir, name, *time)?;
        }
    }
    Ok(())
}

/// A name's components without `.` and a leading slash; `..` is refused.
fn below(name: &[u8]) -> io::Result<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{:?} leads out of the destination", OsStr::from_bytes(name)),
                ));
            }
            _ => {}
        }
    }
    Ok(path)
}

/// A directory beneath the root, made where it is missing.
fn parent(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = |path: &Path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        fs::openat2(root, path, flags, Mode::empty(), within)
    };
    match open(path) {
        Err(Errno::NOENT) => {}
        other => return Ok(other?),
    }
    let mut so_far = PathBuf::new();
    let mut dir = open(&so_far)?;
    for part in path {
        match fs::mkdirat(&dir, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
        so_far.push(part);
        dir = open(&so_far)?;
    }
    Ok(dir)
}

fn place(
    root: &OwnedFd,
    parent: &OwnedFd,
    name: &OsStr,
    entry: &mut Entry<'_, impl Read>,
    rename: &impl Fn(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    let kind = entry.header().entry_type();
    let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
    make_room(parent, name, kind == EntryType::Directory)?;
    match kind {
        EntryType::Directory => {
            match fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = fs::openat(parent, name, flags, Mode::empty())?;
            fs::fchmod(dir, mode)?;
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            fs::symlinkat(OsStr::from_bytes(&target), parent, name)?;
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            let target = below(&rename(&target))?;
            let dir = self::parent(root, target.parent().unwrap_or(Path::new("")))?;
            let old = target.file_name().ok_or(io::ErrorKind::InvalidData)?;
            fs::linkat(dir, old, parent, name, AtFlags::empty())?;
        }
        EntryType::Fifo => fs::mknodat(parent, name, FileType::Fifo, mode, 0)?,
        EntryType::Char | EntryType::Block => {
            let header = entry.header();
            let part = |part: io::Result<Option<u32>>| part.map(Option::unwrap_or_default);
            let device = makedev(part(header.device_major())?, part(header.device_minor())?);
            let file_type = if kind == EntryType::Char {
                FileType::CharacterDevice
            } else {
                FileType::BlockDevice
            };
            fs::mknodat(parent, name, file_type, mode, device)?;
        }
        _ => {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(file);
            io::copy(entry, &mut file)?;
            fs::fchmod(file.as_fd(), mode)?;
        }
    }
    Ok(())
}

/// A directory and anything else do not replace each other.
fn make_room(parent: &OwnedFd, name: &OsStr, wants_directory: bool) -> io::Result<()> {
    let stat = match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    match (is_dir, wants_directory) {
        (true, true) => Ok(()),
        (true, false) => Err(io::Error::other(
            "cannot overwrite directory with non-directory",
        )),
        (false, true) => Err(io::Error::other(
            "cannot overwrite non-directory with directory",
        )),
        (false, false) => Ok(fs::unlinkat(parent, name, AtFlags::empty())?),
    }
}

/// The header's seconds, with the fraction of an extended header.
fn mtime(entry: &mut Entry<'_, impl Read>) -> io::Result<Timespec> {
    let mut time = Timespec {
        tv_sec: i64::try_from(entry.header().mtime()?).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    if let Some(records) = entry.pax_extensions()? {
        let found = records.flatten().find(|r| r.key_bytes() == b"mtime");
        let text = found.and_then(|r| r.value().ok());
        if let Some((seconds, fraction)) = text.and_then(|t| t.split_once('.'))
            && let (Ok(seconds), Ok(nanos)) = (
                seconds.parse::<i64>(),
                format!("{fraction:0<9}")[..9].parse(),
            )
            && seconds >= 0
        {
            (time.tv_sec, time.tv_nsec) = (seconds, nanos);
        }
    }
    Ok(time)
}

fn set_time(parent: &OwnedFd, name: &OsStr, time: Timespec) -> io::Result<()> {
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(fs::utimensat(
        parent,
        name,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
