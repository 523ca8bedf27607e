//! /proc, /sys, /dev and what lies in them, as the OCI runtime specification
//! ("Default Filesystems", "Default Devices") and Docker have them.

use std::os::fd::{AsFd, OwnedFd};

use bulkhead_sys::directory::{self, PROC_MAGIC, filesystem_magic, mkdirat, symlinkat};
use bulkhead_sys::mount::{self, Attributes, Context};
use bulkhead_sys::path::{OFlag, open_beneath};

use super::rootfs::Root;
use super::{InitError, devices};
use crate::order::InitOrder;

const LOCKED: Attributes = Attributes::NO_SUID
    .and(Attributes::NO_EXEC)
    .and(Attributes::NO_DEV);

/// Mounts all of them; gives the container's procfs.
pub(super) fn mount_all(
    root: &mut Root,
    order: &InitOrder,
    cgroups: &[(String, OwnedFd)],
    shared_memory: Option<OwnedFd>,
) -> Result<OwnedFd, InitError> {
    let proc = mount_proc(root)?;
    mount_dev(root, order, shared_memory)?;
    mount_sys(root, order, cgroups)?;
    devices::make_requested(root, order)?;
    Ok(proc)
}

/// A new procfs of the new pid namespace; what is written later goes through
/// this descriptor, never through a path of the image's.
fn mount_proc(root: &Root) -> Result<OwnedFd, InitError> {
    let proc = Context::open(c"proc")?.mount(LOCKED)?;
    root.mount_top("proc", &proc)?;
    if filesystem_magic(&proc)? != PROC_MAGIC {
        return Err(InitError::ForgedProc);
    }
    Ok(proc)
}

fn mount_sys(
    root: &Root,
    order: &InitOrder,
    cgroups: &[(String, OwnedFd)],
) -> Result<(), InitError> {
    let attributes = if order.privileged {
        LOCKED
    } else {
        LOCKED.and(Attributes::READ_ONLY)
    };
    let sysfs = Context::open(c"sysfs")?.mount(attributes)?;
    root.mount_top("sys", &sysfs)?;
    let place = || open_beneath(&sysfs, "fs/cgroup", OFlag::O_PATH | OFlag::O_DIRECTORY, 0);
    for (_, mounted) in cgroups {
        mount::set_attributes(mounted, attributes, true)?;
        mount::set_private(mounted, true)?;
    }
    match cgroups {
        [] => {}
        [(name, only)] if name.is_empty() => mount::move_mount(only, place()?)?,
        many => mount_hierarchies(&place()?, many, attributes)?,
    }
    Ok(())
}

/// Version 1: a directory for each hierarchy in a small tmpfs.
fn mount_hierarchies(
    place: &OwnedFd,
    hierarchies: &[(String, OwnedFd)],
    attributes: Attributes,
) -> Result<(), InitError> {
    let tmpfs = Context::open(c"tmpfs")?;
    tmpfs.set(c"mode", "755")?;
    tmpfs.set(c"size", "65536")?;
    let tmpfs = tmpfs.mount(LOCKED)?;
    for (name, _) in hierarchies {
        mkdirat(&tmpfs, name, 0o755)?;
        for part in name.split(',').filter(|part| *part != name) {
            symlinkat(name, &tmpfs, part)?;
        }
    }
    mount::move_mount(&tmpfs, place)?;
    for (name, mounted) in hierarchies {
        mount::move_mount(
            mounted,
            open_beneath(&tmpfs, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?,
        )?;
    }
    Ok(mount::set_attributes(&tmpfs, attributes, false)?)
}

/// /dev is made complete while nobody else can see it, then mounted.
fn mount_dev(
    root: &mut Root,
    order: &InitOrder,
    shared_memory: Option<OwnedFd>,
) -> Result<(), InitError> {
    let tmpfs = Context::open(c"tmpfs")?;
    tmpfs.set(c"mode", "755")?;
    tmpfs.set(c"size", "65536k")?;
    let dev = tmpfs.mount(Attributes::NO_SUID)?;
    devices::make(&dev, order.privileged)?;
    for (target, name) in LINKS {
        symlinkat(target, &dev, name)?;
    }
    let has_memory = shared_memory.is_some() || order.shm_size != 0;
    let shm = if has_memory { Some("shm") } else { None };
    for name in ["pts", "mqueue"].into_iter().chain(shm) {
        mkdirat(&dev, name, 0o755)?;
    }
    root.mount_top("dev", &dev)?;
    let place = |name| open_beneath(&dev, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0);
    mount::move_mount(devpts(order)?, place("pts")?)?;
    match shared_memory {
        Some(another) => mount::move_mount(another, place("shm")?)?,
        None if order.shm_size == 0 => {}
        None => mount::move_mount(make_shm(order.shm_size)?, place("shm")?)?,
    }
    mount::move_mount(Context::open(c"mqueue")?.mount(LOCKED)?, place("mqueue")?)?;
    root.set_dev(dev);
    Ok(())
}

const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];

/// Its group is 5, tty, in the container's terms; a user namespace may have none.
fn devpts(order: &InitOrder) -> Result<OwnedFd, InitError> {
    let context = Context::open(c"devpts")?;
    context.flag(c"newinstance")?;
    context.set(c"ptmxmode", "0666")?;
    context.set(c"mode", "0620")?;
    if let Some(group) = order.mapped.map_or(Some(5), |mapped| mapped.tty) {
        context.set(c"gid", &group.to_string())?;
    }
    Ok(context.mount(Attributes::NO_SUID.and(Attributes::NO_EXEC))?)
}

fn make_shm(size: u64) -> Result<OwnedFd, InitError> {
    let context = Context::open_as(c"tmpfs", c"shm")?;
    context.set(c"mode", "1777")?;
    context.set(c"size", &size.to_string())?;
    Ok(context.mount(LOCKED)?)
}

/// The terminal's slave on /dev/console: a mount of the very file that we hold.
pub(super) fn mount_console(root: &Root, slave: &OwnedFd) -> Result<(), InitError> {
    directory::mknodat(root.dev()?, "console", 0o100_620, 0)?;
    let place = open_beneath(root.dev()?, "console", OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)?;
    Ok(mount::move_mount(
        mount::clone_mount(slave.as_fd(), false)?,
        place,
    )?)
}
