//! Files that were injected at a container's start, changed while it runs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use bulkhead_model::ContainerId;
use bulkhead_sys::path::{OFlag, open_beneath};

use super::Runtime;
use crate::error::RuntimeError;

/// The container may have written to it as much as it liked: a file longer
/// than this, bytes, is left alone.
const MAX: u64 = 1 << 20;

impl Runtime {
    /// The file stays the same inode, which is what is mounted, and is at no
    /// time empty.
    pub(super) fn edit_file(
        &self,
        id: &ContainerId,
        name: &'static str,
        edit: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<(), RuntimeError> {
        let folder = self.layout.container(id.as_str())?;
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW;
        let mut file = File::from(open_beneath(&folder, name, flags, 0)?);
        let failed = |source| RuntimeError::State {
            path: name.into(),
            source,
        };
        let mut bytes = Vec::new();
        (&mut file)
            .take(MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > MAX {
            return Ok(());
        }
        let Some(new) = edit(&String::from_utf8_lossy(&bytes)) else {
            return Ok(());
        };
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(new.as_bytes())?;
            file.set_len(new.len() as u64)
        };
        write(&mut file).map_err(failed)
    }
}
