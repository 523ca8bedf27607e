//! The files of a log: `name`, `name.1`, `name.2`, …, the older ones
//! perhaps compressed, as `name.1.gz`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::thread::JoinHandle;

use bulkhead_model::log_record::last_length;
use bulkhead_model::process::INODE_FIELD;
use bulkhead_runtime::order::LogOrder;
use bulkhead_sys::directory::{rename, unlinkat};
use bulkhead_sys::path::{OFlag, open_beneath};
use flate2::{Compression, GzBuilder};

use super::entries::Entries;

/// Bytes compressed at once.
const PIECE: usize = 64 * 1024;

/// The current file and what becomes of it.
pub(super) struct Files {
    dir: OwnedFd,
    order: LogOrder,
    pub(super) entries: Entries,
    compressing: Option<JoinHandle<()>>,
}

impl Files {
    /// Goes on with the files that are there.
    pub(super) fn open(dir: OwnedFd, order: LogOrder) -> io::Result<Self> {
        let current = open_current(&dir, &order.name)?;
        let size = current.metadata()?.len();
        let mut files = Self {
            dir,
            order,
            entries: Entries::new(current, size),
            compressing: None,
        };
        if !files.ends_whole()? {
            files.rotate();
        }
        Ok(files)
    }

    /// A shim that was killed, or a power cut, may have left half an entry.
    fn ends_whole(&self) -> io::Result<bool> {
        let size = self.entries.len();
        if size == 0 {
            return Ok(true);
        }
        let file = open_to_read(&self.dir, &self.order.name)?;
        if self.order.json.is_some() {
            let mut last = [0];
            file.read_exact_at(&mut last, size - 1)?;
            return Ok(last == *b"\n");
        }
        let mut last = [0; 4];
        let Some(end) = size.checked_sub(4) else {
            return Ok(false);
        };
        file.read_exact_at(&mut last, end)?;
        Ok(last_length(last).is_some_and(|length| length as u64 <= size))
    }

    /// Goes on with a new file when the current one is full.
    pub(super) fn rotate_full(&mut self) {
        if self.entries.len() >= self.order.max_size {
            self.entries.flush();
            self.rotate();
        }
    }

    /// `name.1` becomes `name.2` and so on; the oldest goes. Readers rely on
    /// the order: the name of the current file is free last, and taken again
    /// by a new one.
    ///
    /// The oldest is removed, not replaced: ext4 writes a file that replaces
    /// another to the disk at once (`auto_da_alloc`, ext4(5)).
    fn rotate(&mut self) {
        self.finish_compressing();
        let keep = self.order.max_files.max(1);
        for ending in ["", ".gz"] {
            let _ = unlinkat(&self.dir, self.numbered(keep - 1, ending));
        }
        for number in (1..keep).rev() {
            for ending in ["", ".gz"] {
                let from = self.numbered(number - 1, ending);
                let _ = rename(&self.dir, from, &self.dir, self.numbered(number, ending));
            }
        }
        if let Ok(file) = open_current(&self.dir, &self.order.name) {
            self.entries.start(file);
        }
        if keep > 1 && self.order.compress {
            self.compress();
        }
    }

    fn numbered(&self, number: u32, ending: &str) -> String {
        match number {
            0 => format!("{}{ending}", self.order.name),
            number => format!("{}.{number}{ending}", self.order.name),
        }
    }

    /// Beside the container's output, which does not wait for it.
    fn compress(&mut self) {
        let Ok(dir) = self.dir.try_clone() else {
            return;
        };
        let name = self.numbered(1, "");
        let work = move || {
            // The file stays as it is when it can't be compressed.
            if compress(&dir, &name).is_err() {
                let _ = unlinkat(&dir, format!("{name}.gz.new"));
            }
        };
        let thread = std::thread::Builder::new().name("compress".into());
        self.compressing = thread.spawn(work).ok();
    }

    fn finish_compressing(&mut self) {
        if let Some(thread) = self.compressing.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.finish_compressing();
    }
}

fn open_current(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOFOLLOW;
    Ok(File::from(open_beneath(dir, name, flags, 0o640)?))
}

fn open_to_read(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
    Ok(File::from(open_beneath(dir, name, flags, 0)?))
}

/// Makes `name.gz` out of `name`. It has its name only when it is whole.
fn compress(dir: &OwnedFd, name: &str) -> io::Result<()> {
    let mut from = open_to_read(dir, name)?;
    let unfinished = format!("{name}.gz.new");
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let to = File::from(open_beneath(dir.as_fd(), &unfinished, flags, 0o640)?);
    let inode = from.metadata()?.ino().to_le_bytes();
    let field = [&INODE_FIELD[..], &[8, 0], &inode].concat();
    let mut writer = GzBuilder::new().extra(field).write(to, Compression::fast());
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            count => writer.write_all(&buffer[..count])?,
        }
    }
    writer.finish()?;
    rename(dir, &unfinished, dir, format!("{name}.gz"))?;
    Ok(unlinkat(dir, name)?)
}
