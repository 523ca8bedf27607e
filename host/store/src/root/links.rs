//! Where a symlink leads, as text for a client. Nothing is opened by the
//! result: whoever uses it asks for it as for any other path.

use rustix::fs::{self, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Root, open_in_root};

/// The kernel's own limit (`path_resolution(7)`) is 40; Docker's is 255.
const MAX_LINKS: usize = 255;

/// Follows every symlink of a path from the root, as far as there is
/// something; what is missing is taken by its text.
pub(super) fn follow(root: Root<'_>, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut left: Vec<Vec<u8>> = parts(path);
    let mut done: Vec<u8> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == b".." {
            let slash = done.iter().rposition(|b| *b == b'/').unwrap_or(0);
            done.truncate(slash);
            continue;
        }
        let before = done.len();
        done.push(b'/');
        done.extend_from_slice(&part);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match open_in_root(root.fd, &done, flags, ResolveFlags::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(e) => return Err(e),
        };
        let Ok(target) = fs::readlinkat(&file, "", Vec::new()) else {
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = target.into_bytes();
        done.truncate(if target.starts_with(b"/") { 0 } else { before });
        left.extend(parts(&target));
    }
    if done.is_empty() {
        done.push(b'/');
    }
    Ok(done)
}

/// The components, last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|b| *b == b'/').rev();
    parts
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}
