//! Local files as an archive.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// Writes `path` and everything below it; `name` gives an entry's name in the
/// archive from its path below the top, empty for the top itself.
pub(super) fn pack(
    path: &Path,
    name: impl Fn(&[u8]) -> Vec<u8>,
    out: impl Write,
) -> io::Result<()> {
    let mut builder = Builder::new(out);
    let mut left = vec![(path.to_owned(), Vec::new())];
    while let Some((path, below)) = left.pop() {
        let meta = std::fs::symlink_metadata(&path)?;
        append(&mut builder, &path, &meta, name(&below))?;
        if meta.is_dir() {
            let mut children: Vec<(PathBuf, Vec<u8>)> = Vec::new();
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                let name = [&below[..], b"/", entry.file_name().as_bytes()].concat();
                children.push((entry.path(), name));
            }
            children.sort_unstable_by(|a, b| b.1.cmp(&a.1));
            left.append(&mut children);
        }
    }
    builder.into_inner()?.flush()
}

fn append(
    builder: &mut Builder<impl Write>,
    path: &Path,
    meta: &Metadata,
    mut name: Vec<u8>,
) -> io::Result<()> {
    let kind = meta.file_type();
    let mut header = Header::new_gnu();
    header.set_mode(meta.mode() & 0o7777);
    header.set_uid(meta.uid().into());
    header.set_gid(meta.gid().into());
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    header.set_size(0);
    if meta.mtime_nsec() != 0 && meta.mtime() >= 0 {
        let time = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
        builder.append_pax_extensions([("mtime", time.as_bytes())])?;
    }
    let target;
    let link = if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        target = std::fs::read_link(path)?;
        return builder.append_link(&mut header, as_path(&name), target);
    } else if kind.is_dir() {
        name.push(b'/');
        EntryType::Directory
    } else if kind.is_file() {
        header.set_entry_type(EntryType::Regular);
        header.set_size(meta.len());
        let file = File::open(path)?;
        // A file that grows is cut off; one that shrinks is filled up.
        let data = io::Read::take(io::Read::chain(file, io::repeat(0)), meta.len());
        return builder.append_data(&mut header, as_path(&name), data);
    } else if kind.is_fifo() {
        EntryType::Fifo
    } else if kind.is_char_device() || kind.is_block_device() {
        header.set_device_major(rustix::fs::major(meta.rdev()))?;
        header.set_device_minor(rustix::fs::minor(meta.rdev()))?;
        if kind.is_char_device() {
            EntryType::Char
        } else {
            EntryType::Block
        }
    } else {
        // Archives have no sockets.
        return Ok(());
    };
    header.set_entry_type(link);
    builder.append_data(&mut header, as_path(&name), io::empty())
}

fn as_path(name: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(name))
}
