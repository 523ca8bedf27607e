//! Files of a source that is a directory.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::{Inner, MAX_DOCUMENT};
use crate::error::FetchError;

impl Inner {
    /// Opens a regular file beneath the directory. Symlinks are followed as
    /// long as they stay beneath it.
    pub(crate) fn open_file(&self, path: &str) -> Result<File, FetchError> {
        let failed = |source: io::Error| FetchError::File {
            path: path.to_owned(),
            source,
        };
        let missing = || io::Error::new(io::ErrorKind::NotFound, "this source is not a directory");
        let directory = self.directory.as_ref().ok_or_else(|| failed(missing()))?;
        // A FIFO would block an open without O_NONBLOCK.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let fd = openat2(directory, path, flags, Mode::empty(), resolve)
            .map_err(|e| failed(e.into()))?;
        let file = File::from(fd);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )));
        }
        Ok(file)
    }

    pub(crate) fn read_document(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let file = self.open_file(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| FetchError::File {
                path: path.to_owned(),
                source,
            })?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(FetchError::TooLarge {
                url: path.to_owned(),
                limit: MAX_DOCUMENT,
            });
        }
        Ok(bytes)
    }
}
