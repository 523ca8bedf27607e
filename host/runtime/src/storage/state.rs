//! Values a driver keeps: one small file each, below a directory that no
//! plan can name, since names of plans do not start with a dot.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bulkhead_sys::directory::{ensure_dir, rename, unlinkat};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

const DIRECTORY: &str = ".state";
const TEMPORARY: &str = ".new";

/// Plans are carried out side by side, and the temporary name is one.
static WRITING: Mutex<()> = Mutex::new(());

/// The file of a key: every byte that is no letter or digit in hex.
fn file_name(key: &str) -> String {
    let mut out = String::from("v-");
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte.into()),
            _ => out.push_str(&format!("_{byte:02x}")),
        }
    }
    out
}

pub(super) fn get(root: &OwnedFd, key: &str) -> Result<Option<Vec<u8>>> {
    let path = format!("{DIRECTORY}/{}", file_name(key));
    let file = match open_beneath(root, path, OFlag::O_RDONLY, 0) {
        Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    File::from(file)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new("read", key, e))?;
    Ok(Some(bytes))
}

/// Replaces a value atomically, on the disk before the name changes.
pub(super) fn put(root: &OwnedFd, key: &str, value: Option<&[u8]>) -> Result<()> {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = ensure_dir(root, DIRECTORY, 0o700)?;
    let Some(value) = value else {
        return match unlinkat(&dir, file_name(key)) {
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
    };
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let mut file = File::from(open_beneath(&dir, TEMPORARY, flags, 0o600)?);
    file.write_all(value)
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::new("write", key, e))?;
    rename(&dir, TEMPORARY, &dir, file_name(key))
}
