//! Anonymous files in memory (`memfd_create(2)`), sealed against any change.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result, check};

/// `MFD_EXEC` (Linux 6.3): keep the file executable whatever
/// `vm.memfd_noexec` says. Older kernels answer EINVAL.
const MFD_EXEC: libc::c_uint = 0x10;

const ALL_SEALS: libc::c_int =
    libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// Copies `content` into a new executable memfd and seals it: nobody, root
/// included, can change its bytes afterwards.
pub fn sealed(name: &CStr, content: &mut dyn Read) -> Result<OwnedFd> {
    let mut file = File::from(create(name)?);
    std::io::copy(content, &mut file)
        .map_err(|e| Error::new("write", name.to_string_lossy(), e))?;
    file.flush()
        .map_err(|e| Error::new("write", name.to_string_lossy(), e))?;
    let fd = OwnedFd::from(file);
    seal(&fd)?;
    Ok(fd)
}

/// [`sealed`] of bytes in memory.
pub fn create_sealed(name: &CStr, content: &[u8]) -> Result<OwnedFd> {
    sealed(name, &mut &content[..])
}

/// A new, empty, writable memfd that can be sealed later.
pub fn create(name: &CStr) -> Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let open = |flags| {
        // SAFETY: `name` is NUL-terminated and outlives the call.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
        check(fd.into(), "memfd_create", name.to_string_lossy())
    };
    let fd = match open(flags | MFD_EXEC) {
        Err(e) if e.errno() == libc::EINVAL => open(flags)?,
        other => other?,
    };
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Forbids writing, growing, shrinking and any further change of seals.
pub fn seal(fd: impl AsFd) -> Result<()> {
    // SAFETY: plain integers; the descriptor is borrowed for the call.
    let result = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_ADD_SEALS, ALL_SEALS) };
    check(result.into(), "fcntl", "F_ADD_SEALS").map(drop)
}

/// Whether the file is sealed against writing, growing and shrinking.
pub fn is_sealed(fd: impl AsFd) -> Result<bool> {
    // SAFETY: plain integers; the descriptor is borrowed for the call.
    let seals = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GET_SEALS) };
    Ok(check(seals.into(), "fcntl", "F_GET_SEALS")? as i32 & ALL_SEALS == ALL_SEALS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_sealed_file_can_be_read_but_not_changed() {
        let fd = create_sealed(c"test", b"content").unwrap();
        assert!(is_sealed(&fd).unwrap());
        let file = File::from(fd);
        let mut back = [0; 7];
        file.read_exact_at(&mut back, 0).unwrap();
        assert_eq!(&back, b"content");
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(0).is_err());
    }
}
