//! Becoming the user, with the capabilities that are left.

use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

use bulkhead_sys::path::{OFlag, open_in_root};
use bulkhead_sys::process::{self, Capabilities};
use bulkhead_sys::seccomp::{Filter, Instruction};

use super::InitError;
use super::rootfs::libc_enoent;
use crate::order::InitOrder;
use crate::passwd::{self, Identity};

/// A passwd or group file longer than this is read no further.
const MAX_FILE: u64 = 4 << 20;

/// Looks the user up in the container's own files, by descriptor.
pub(crate) fn resolve(
    root: BorrowedFd<'_>,
    user: &str,
    more: &[String],
) -> Result<Identity, InitError> {
    let passwd = read(root, "/etc/passwd")?;
    let group = read(root, "/etc/group")?;
    let mut identity = passwd::resolve(user, &passwd, &group)?;
    identity.groups.extend(passwd::groups_named(more, &group)?);
    identity.groups.sort_unstable();
    identity.groups.dedup();
    Ok(identity)
}

/// A missing file is an empty one. O_NONBLOCK: the image may have a fifo there.
fn read(root: BorrowedFd<'_>, path: &'static str) -> Result<String, InitError> {
    let file = match open_in_root(
        root,
        path,
        OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY,
        0,
    ) {
        Err(e) if e.errno() == libc_enoent() => return Ok(String::new()),
        other => File::from(other?),
    };
    let mut bytes = Vec::new();
    let failed = |source| InitError::UserFile { path, source };
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(String::new());
    }
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Becomes the user. What is left to do as root is in [`confine`].
pub(super) fn assume(
    order: &InitOrder,
    identity: &Identity,
    cwd: &OwnedFd,
) -> Result<(), InitError> {
    let held = process::capabilities()?.permitted;
    let kept = order.capabilities & held;
    if order.no_new_privileges {
        process::set_no_new_privs()?;
    }
    process::limit_bounding_set(kept)?;
    process::set_groups(&identity.groups)?;
    process::set_gid(identity.gid)?;
    process::set_keepcaps(true)?;
    process::set_uid(identity.uid)?;
    process::set_keepcaps(false)?;
    process::set_capabilities(Capabilities {
        effective: kept,
        permitted: held,
        inheritable: 0,
    })?;
    // As the user: permissions count.
    enter_cwd(order, cwd)
}

/// Gives up everything but what the order leaves; after it nothing is done
/// but exec. The filter comes as late as it can, because a user's own may
/// close whatever came before: without no_new_privs it needs CAP_SYS_ADMIN, so
/// that `capset(2)` is the one call beside exec that has to be left open.
pub(super) fn confine(order: &InitOrder) -> Result<(), InitError> {
    const SYS_ADMIN: u64 = 1 << 21;
    let held = process::capabilities()?.permitted;
    let kept = order.capabilities & held;
    let last = Capabilities {
        effective: kept,
        permitted: kept,
        inheritable: 0,
    };
    if order.no_new_privileges || order.seccomp.is_empty() {
        process::set_capabilities(last)?;
        return load_filter(order);
    }
    process::set_capabilities(Capabilities {
        effective: kept | held & SYS_ADMIN,
        permitted: held,
        inheritable: 0,
    })?;
    load_filter(order)?;
    Ok(process::set_capabilities(last)?)
}

/// As [`confine`], for a process that executes nothing: exec would have taken
/// the capabilities from who is not root. What is left lets it pass signals on
/// to a program of another user's.
pub(super) fn confine_reaper(order: &InitOrder, identity: &Identity) -> Result<(), InitError> {
    const KILL: u64 = 1 << 5;
    let most = if identity.uid == 0 { KILL } else { 0 };
    confine(order)?;
    let held = process::capabilities()?.permitted & most;
    Ok(process::set_capabilities(Capabilities {
        effective: held,
        permitted: held,
        inheritable: 0,
    })?)
}

fn enter_cwd(order: &InitOrder, cwd: &OwnedFd) -> Result<(), InitError> {
    let shown = || String::from_utf8_lossy(&order.cwd).into_owned();
    process::change_dir(cwd).map_err(|source| InitError::WorkingDirectory {
        path: shown(),
        source,
    })?;
    // getcwd fails, or its answer is no absolute path, outside of the root.
    match std::env::current_dir() {
        Ok(path) if path.is_absolute() => Ok(()),
        _ => Err(InitError::WorkingDirectoryOutside(shown())),
    }
}

fn load_filter(order: &InitOrder) -> Result<(), InitError> {
    if order.seccomp.is_empty() {
        return Ok(());
    }
    let instruction = |&(code, jt, jf, k): &(u16, u8, u8, u32)| Instruction { code, jt, jf, k };
    Ok(Filter::from_instructions(order.seccomp.iter().map(instruction).collect()).load()?)
}
