//! Entries on their way into a file, through a buffer of fixed size.
//!
//! Half an entry would spoil the next: of one that can't be written whole
//! nothing stays.

use std::fs::File;
use std::io::{self, Write};

/// Bytes of memory for entries between writes. Any text of an entry fits
/// unescaped, with what its format puts around it.
const ROOM: usize = 48 * 1024;

/// A file that entries are appended to.
#[derive(Debug)]
pub(super) struct Entries {
    file: File,
    /// Bytes in the file.
    size: u64,
    /// Bytes in the file at the end of the last whole entry.
    whole: u64,
    /// Made for the first entry: most containers write little.
    buffer: Vec<u8>,
}

impl Entries {
    /// Goes on with a file that has `size` bytes.
    pub(super) fn new(file: File, size: u64) -> Self {
        Self {
            file,
            size,
            whole: size,
            buffer: Vec::new(),
        }
    }

    /// Goes on with an empty file.
    pub(super) fn start(&mut self, file: File) {
        self.file = file;
        self.size = 0;
        self.whole = 0;
    }

    /// Bytes in the file and on their way.
    pub(super) fn len(&self) -> u64 {
        self.size + self.buffer.len() as u64
    }

    /// One entry, of about `length` bytes. Only one that does not fit into
    /// the buffer is written in pieces. What fails to be written is lost.
    pub(super) fn entry(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut Pieces<'_>) -> io::Result<()>,
    ) {
        if self.buffer.len() + length > ROOM {
            self.flush();
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(ROOM);
        }
        let begin = self.buffer.len();
        let mut pieces = Pieces {
            entries: self,
            begin,
        };
        if write(&mut pieces).is_err() {
            self.take_back();
        }
    }

    /// Writes the entries that wait, all of them whole.
    pub(super) fn flush(&mut self) {
        if self.write_out(self.buffer.len()).is_err() {
            self.take_back();
        }
    }

    /// Empties the buffer, in which whole entries end at `begin`: they stay
    /// when the rest fails.
    fn write_out(&mut self, begin: usize) -> io::Result<()> {
        let (whole, begun) = self.buffer.split_at(begin);
        if !whole.is_empty() {
            self.file.write_all(whole)?;
            self.size += whole.len() as u64;
            self.whole = self.size;
        }
        self.file.write_all(begun)?;
        self.size += begun.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// A write that failed may have written something.
    fn take_back(&mut self) {
        let _ = self.file.set_len(self.whole);
        self.size = self.whole;
        self.buffer.clear();
    }
}

/// Takes one entry piece by piece.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    entries: &'a mut Entries,
    /// Where in the buffer the entry begins.
    begin: usize,
}

impl Pieces<'_> {
    /// An attribute may be longer than the buffer.
    #[cold]
    fn write_through(&mut self, piece: &[u8]) -> io::Result<()> {
        for part in piece.chunks(ROOM) {
            let begin = std::mem::take(&mut self.begin);
            self.entries.write_out(begin)?;
            self.entries.buffer.extend_from_slice(part);
        }
        Ok(())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.write_all(piece)?;
        Ok(piece.len())
    }

    #[inline]
    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        let buffer = &mut self.entries.buffer;
        if buffer.len() + piece.len() > ROOM {
            return self.write_through(piece);
        }
        buffer.extend_from_slice(piece);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that takes no more than so many bytes: RLIMIT_FSIZE is of the
    /// whole process, a small tmpfs is not.
    fn entries(size: u64) -> (Entries, std::os::fd::OwnedFd) {
        use bulkhead_sys::mount::{Attributes, Context};
        use bulkhead_sys::path::{OFlag, open_beneath};
        let tmpfs = Context::open(c"tmpfs").unwrap();
        tmpfs.set(c"size", &size.to_string()).unwrap();
        let mount = tmpfs.mount(Attributes::NONE).unwrap();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
        let file = open_beneath(&mount, "log", flags, 0o600).unwrap();
        (Entries::new(File::from(file), 0), mount)
    }

    fn content(mount: &std::os::fd::OwnedFd) -> Vec<u8> {
        use bulkhead_sys::path::{OFlag, open_beneath};
        let mut file = File::from(open_beneath(mount, "log", OFlag::O_RDONLY, 0).unwrap());
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_entry_larger_than_the_buffer_is_whole_and_the_buffer_stays_small() {
        let (mut entries, mount) = entries(1 << 20);
        for byte in [b'a', b'b', b'c'] {
            entries.entry(10, |out| out.write_all(&[byte; 10]));
            entries.entry(100, |out| {
                (0..100).try_for_each(|_| out.write_all(&[byte; 1000]))
            });
        }
        entries.flush();
        let expected: Vec<u8> = b"abc".iter().flat_map(|b| vec![*b; 100_010]).collect();
        assert!(content(&mount) == expected);
        assert_eq!(entries.len(), 300_030);
        assert!(entries.buffer.capacity() <= ROOM);
    }

    #[test]
    fn of_an_entry_that_does_not_fit_on_the_disk_nothing_stays() {
        let (mut entries, mount) = entries(64 << 10);
        entries.entry(6, |out| out.write_all(b"first\n"));
        entries.entry(100, |out| {
            (0..200).try_for_each(|_| out.write_all(&[b'x'; 1000]))
        });
        assert_eq!(content(&mount), b"first\n");
        entries.entry(5, |out| out.write_all(b"next\n"));
        entries.flush();
        assert_eq!(content(&mount), b"first\nnext\n");
        assert_eq!(entries.len(), 11);
    }

    #[test]
    fn whole_entries_of_a_write_that_fails_are_cut_at_an_entrys_start() {
        let (mut entries, mount) = entries(64 << 10);
        for _ in 0..1000 {
            entries.entry(1000, |out| out.write_all(&[b'x'; 1000]));
        }
        entries.flush();
        let length = content(&mount).len();
        assert_eq!((length as u64, length % 1000), (entries.len(), 0));
    }
}
