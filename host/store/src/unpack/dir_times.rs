//! Modification times of directories, which are set when all entries are
//! made, because every entry made changes its directory's.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{self, Mode, OFlags};

/// Bytes of records kept in memory; more go to a file without a name.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// Directories and their times, in the archive's order.
pub(super) struct DirTimes<'a> {
    root: BorrowedFd<'a>,
    records: Vec<u8>,
    file: Option<File>,
}

impl<'a> DirTimes<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self {
            root,
            records: Vec::new(),
            file: None,
        }
    }

    pub(super) fn push(&mut self, path: &[u8], mtime: (i64, i64)) -> io::Result<()> {
        self.records.extend(mtime.0.to_ne_bytes());
        self.records.extend(mtime.1.to_ne_bytes());
        self.records.extend((path.len() as u64).to_ne_bytes());
        self.records.extend(path);
        if self.records.len() > IN_MEMORY {
            self.spill()
        } else {
            Ok(())
        }
    }

    /// Gives every record to `set`.
    pub(super) fn each(
        mut self,
        mut set: impl FnMut(&[u8], (i64, i64)) -> Result<(), super::UnpackError>,
    ) -> Result<(), super::UnpackError> {
        let failed = |e| super::UnpackError::io("read directory times", b"", e);
        let mut path = Vec::new();
        let mut both: Box<dyn Read> = match self.file.take() {
            Some(mut file) => {
                file.rewind().map_err(failed)?;
                Box::new(BufReader::new(file).chain(self.records.as_slice()))
            }
            None => Box::new(self.records.as_slice()),
        };
        let number = |input: &mut dyn Read| -> io::Result<Option<u64>> {
            let mut bytes = [0; 8];
            match input.read_exact(&mut bytes) {
                Ok(()) => Ok(Some(u64::from_ne_bytes(bytes))),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                Err(e) => Err(e),
            }
        };
        while let Some(seconds) = number(&mut both).map_err(failed)? {
            let nanos = number(&mut both).map_err(failed)?.unwrap_or_default();
            let length = number(&mut both).map_err(failed)?.unwrap_or_default();
            path.resize(length as usize, 0);
            both.read_exact(&mut path).map_err(failed)?;
            set(&path, (seconds.cast_signed(), nanos.cast_signed()))?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
                let fd = fs::openat(self.root, ".", flags, Mode::from_raw_mode(0o600))?;
                empty.insert(File::from(fd))
            }
        };
        file.write_all(&self.records)?;
        self.records.clear();
        Ok(())
    }
}
