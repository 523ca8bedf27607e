//! Extended attributes by descriptor (`xattr(7)`).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::directory::{file_type, stat_fd};
use crate::error::{Error, Result, check};
use crate::path::{c_name, c_path, proc_path};

/// `lsetxattr(2)` of `name` in `dir`: the file itself, be it a symlink.
pub fn set_xattr(
    dir: impl AsFd,
    name: impl AsRef<Path>,
    attribute: &CStr,
    value: &[u8],
) -> Result<()> {
    let path = through_proc(dir, name.as_ref())?;
    set_xattr_path(&path, attribute, value)
}

/// Sets an extended attribute of an open file or directory; O_PATH handles
/// of symlinks do not work.
pub fn set_xattr_fd(file: impl AsFd, attribute: &CStr, value: &[u8]) -> Result<()> {
    let path = c_path(Path::new(&format!("{}/.", proc_path(&file))))?;
    let is_dir = file_type(&stat_fd(&file)?) == libc::S_IFDIR;
    if is_dir {
        return set_xattr_path(&path, attribute, value);
    }
    // SAFETY: NUL-terminated strings and a readable value; all outlive the call.
    let result = unsafe {
        libc::fsetxattr(
            file.as_fd().as_raw_fd(),
            attribute.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    check(result.into(), "fsetxattr", attribute.to_string_lossy()).map(drop)
}

fn set_xattr_path(path: &CStr, attribute: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: NUL-terminated strings and a readable value; all outlive the call.
    let result = unsafe {
        libc::lsetxattr(
            path.as_ptr(),
            attribute.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    check(
        result.into(),
        "lsetxattr",
        format_args!("{path:?}, {}", attribute.to_string_lossy()),
    )
    .map(drop)
}

/// `lgetxattr(2)`; `None` when the file has no such attribute.
pub fn xattr(dir: impl AsFd, name: impl AsRef<Path>, attribute: &CStr) -> Result<Option<Vec<u8>>> {
    xattr_path(&through_proc(dir, name.as_ref())?, attribute)
}

/// [`xattr`] of an open directory.
pub fn xattr_dir(dir: impl AsFd, attribute: &CStr) -> Result<Option<Vec<u8>>> {
    let path = c_path(Path::new(&format!("{}/.", proc_path(dir))))?;
    xattr_path(&path, attribute)
}

fn xattr_path(path: &CStr, attribute: &CStr) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0u8; 256];
    loop {
        // SAFETY: NUL-terminated strings and a writable buffer; all outlive the call.
        let got = unsafe {
            libc::lgetxattr(
                path.as_ptr(),
                attribute.as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        };
        match check(
            got as libc::c_long,
            "lgetxattr",
            attribute.to_string_lossy(),
        ) {
            Ok(length) => {
                value.truncate(length as usize);
                return Ok(Some(value));
            }
            Err(e) if e.errno() == libc::ENODATA || e.errno() == libc::EOPNOTSUPP => {
                return Ok(None);
            }
            // XATTR_SIZE_MAX is 64 KiB.
            Err(e) if e.errno() == libc::ERANGE && value.len() < 65_536 => value.resize(65_536, 0),
            Err(e) => return Err(e),
        }
    }
}

/// `llistxattr(2)`
pub fn xattr_names(dir: impl AsFd, name: impl AsRef<Path>) -> Result<Vec<CString>> {
    xattr_names_path(&through_proc(dir, name.as_ref())?)
}

fn xattr_names_path(path: &CStr) -> Result<Vec<CString>> {
    let mut names = vec![0u8; 1024];
    loop {
        // SAFETY: a NUL-terminated string and a writable buffer; both outlive the call.
        let got =
            unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
        match check(got as libc::c_long, "llistxattr", path.to_string_lossy()) {
            Ok(length) => {
                let list = names[..length as usize]
                    .split(|b| *b == 0)
                    .filter(|n| !n.is_empty());
                return Ok(list.filter_map(|n| CString::new(n).ok()).collect());
            }
            Err(e) if e.errno() == libc::EOPNOTSUPP => return Ok(Vec::new()),
            // XATTR_LIST_MAX is 64 KiB.
            Err(e) if e.errno() == libc::ERANGE && names.len() < 65_536 => names.resize(65_536, 0),
            Err(e) => return Err(e),
        }
    }
}

/// Gives `dest` the extended attributes of `source`; both are directories.
pub(crate) fn copy_xattrs_fd(source: impl AsFd, dest: impl AsFd) -> Result<()> {
    let path = |fd: &dyn Fn() -> String| c_path(Path::new(&format!("{}/.", fd())));
    let from = path(&|| proc_path(&source))?;
    let to = path(&|| proc_path(&dest))?;
    for attribute in xattr_names_path(&from)? {
        if let Some(value) = xattr_path(&from, &attribute)? {
            set_xattr_path(&to, &attribute, &value)?;
        }
    }
    Ok(())
}

/// `name` by way of the directory's descriptor. The kernel has `setxattrat`
/// only since 6.13; the magic link leads straight to the directory, and the
/// calls above do not follow the last component.
fn through_proc(dir: impl AsFd, name: &Path) -> Result<CString> {
    c_name(name)?;
    let mut path = proc_path(dir).into_bytes();
    path.push(b'/');
    path.extend_from_slice(name.as_os_str().as_bytes());
    CString::new(path).map_err(|_| Error::new("path", name.display(), nix::errno::Errno::EINVAL))
}
