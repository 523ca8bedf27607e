//! The bytes of a regular file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use super::{Archive, Entry, UnpackError};

/// Writes a file's content: all of it, or the pieces between its holes.
pub(super) fn write(
    archive: &mut Archive,
    entry: &Entry,
    file: &mut File,
    path: &[u8],
) -> Result<(), UnpackError> {
    let Some(map) = &entry.sparse else {
        return copy(archive, entry.size, file, path);
    };
    let failed = |e| UnpackError::io("write", path, e);
    file.set_len(entry.size).map_err(failed)?;
    for fragment in map {
        file.seek(SeekFrom::Start(fragment.offset))
            .map_err(failed)?;
        copy(archive, fragment.length, file, path)?;
    }
    Ok(())
}

/// Writes the next `size` bytes of the entry's data.
fn copy(archive: &mut Archive, size: u64, file: &mut File, path: &[u8]) -> Result<(), UnpackError> {
    let mut left = size;
    while left > 0 {
        let bytes = archive.data(left)?;
        let n = bytes.len();
        if n == 0 {
            return Err(UnpackError::entry(
                path,
                "it has less data than its size says",
            ));
        }
        file.write_all(bytes)
            .map_err(|e| UnpackError::io("write", path, e))?;
        archive.consume(n);
        left -= n as u64;
    }
    Ok(())
}
