//! Owners and extended attributes, as a container has them.

use std::os::fd::BorrowedFd;

use bulkhead_model::process::IdMap;
use rustix::fs;
use rustix::io::Errno;

/// What an id without a name is shown as (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

/// Names and values.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What a host's id is inside.
pub(crate) fn inside(maps: &[IdMap], host: u32) -> u32 {
    if maps.is_empty() {
        return host;
    }
    let map = maps
        .iter()
        .find(|m| host >= m.host && host - m.host < m.count);
    map.map_or(NOBODY, |m| m.inside + (host - m.host))
}

/// Those that an unpacker takes: `user.*` but overlay's own, access lists,
/// and a file's capabilities.
pub(super) fn extended(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    let mut names = Vec::with_capacity(1024);
    let mut out = Vec::new();
    match fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::OPNOTSUPP) => return Ok(out),
        Err(Errno::RANGE) => {
            // XATTR_LIST_MAX.
            names.reserve(64 * 1024);
            fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names))?;
        }
        Err(e) => return Err(e),
    }
    for name in names.split(|b| *b == 0).filter(|name| is_wanted(name)) {
        if let Some(value) = value(file, name)? {
            out.push((name.to_vec(), value));
        }
    }
    out.sort_unstable();
    Ok(out)
}

/// The `security.capability` of what a path leads to.
pub(crate) fn capability(path: &str) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = Vec::with_capacity(64);
    match fs::getxattr(path, CAPABILITY, rustix::buffer::spare_capacity(&mut value)) {
        Ok(_) => Ok(Some(without_owner(value))),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

const CAPABILITY: &[u8] = b"security.capability";

fn value(file: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = Vec::with_capacity(256);
    let mut got = fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value));
    if got == Err(Errno::RANGE) {
        // XATTR_SIZE_MAX.
        value.reserve(64 * 1024);
        got = fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value));
    }
    match got {
        Ok(_) if name == CAPABILITY => Ok(Some(without_owner(value))),
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Revision 3 names the user namespace's root (`capabilities(7)`, "File
/// capability extended attribute versioning"); inside, the same file has
/// revision 2.
fn without_owner(mut value: Vec<u8>) -> Vec<u8> {
    const LENGTH_2: usize = 20;
    if value.len() == LENGTH_2 + 4 && value[3] == 3 {
        value[3] = 2;
        value.truncate(LENGTH_2);
    }
    value
}

fn is_wanted(name: &[u8]) -> bool {
    name == CAPABILITY
        || name.starts_with(b"system.posix_acl_")
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_the_container_has_them() {
        let maps = [IdMap {
            inside: 0,
            host: 100_000,
            count: 10,
        }];
        assert_eq!(inside(&maps, 100_005), 5);
        assert_eq!(inside(&maps, 0), NOBODY);
        assert_eq!(inside(&maps, 100_010), NOBODY);
        assert_eq!(inside(&[], 7), 7);
    }

    #[test]
    fn a_capability_loses_the_name_of_its_user_namespace() {
        let mut three = vec![1, 0, 0, 3];
        three.resize(24, 9);
        let two = without_owner(three);
        assert_eq!((two.len(), two[3]), (20, 2));
    }
}
