//! Killing whatever is left in a cgroup, so that it can be removed.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bulkhead_sys::directory::{entries, file_type, stat};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, pidfd};

use super::{remove_tree, write};

const SIGKILL: i32 = 9;
const S_IFDIR: u32 = 0o040_000;

/// How long killed processes may take to leave.
const GRACE: Duration = Duration::from_secs(5);

/// Kills every process in a cgroup and in those below it.
///
/// Version 2 has a file for it (kernel `cgroup-v2.rst`, `cgroup.kill`). In
/// version 1 the freezer, where it is the hierarchy, keeps processes from
/// forking away meanwhile; in another one a second call may be needed.
///
/// # Errors
/// The cgroup is gone, or its files cannot be read or written.
pub fn kill(cgroup: impl AsFd) -> Result<(), Error> {
    match write(&cgroup, "cgroup.kill", "1") {
        Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => {}
        other => return other,
    }
    let frozen = write(&cgroup, "freezer.state", "FROZEN").is_ok();
    let killed = kill_one_by_one(&cgroup);
    if frozen {
        // A frozen process does not even die.
        write(&cgroup, "freezer.state", "THAWED")?;
    }
    killed
}

fn kill_one_by_one(cgroup: &impl AsFd) -> Result<(), Error> {
    for pid in processes(cgroup)? {
        let Ok(process) = pidfd::open(pid) else {
            continue;
        };
        // The pid may have been reused before it was opened; a process that
        // is listed now is the one that we hold.
        if processes(cgroup)?.contains(&pid) {
            let _ = pidfd::send_signal(&process, SIGKILL);
        }
    }
    for name in entries(cgroup)? {
        if file_type(&stat(cgroup, &name)?) == S_IFDIR {
            kill_one_by_one(&open_dir(cgroup, &name)?)?;
        }
    }
    Ok(())
}

/// The pids in a cgroup, without those below it.
pub(super) fn processes(cgroup: &impl AsFd) -> Result<Vec<u32>, Error> {
    let mut file = File::from(open_beneath(cgroup, "cgroup.procs", OFlag::O_RDONLY, 0)?);
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    read.map_err(|e| Error::new("read", "cgroup.procs", e))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// The pids in a cgroup and in those below it.
pub(super) fn all_processes(cgroup: &impl AsFd) -> Result<Vec<u32>, Error> {
    let mut pids = processes(cgroup)?;
    for name in entries(cgroup)? {
        if file_type(&stat(cgroup, &name)?) == S_IFDIR {
            pids.extend(all_processes(&open_dir(cgroup, &name)?)?);
        }
    }
    Ok(pids)
}

/// Removes a cgroup with those below it. Processes in them are killed: a
/// container's other processes in a shared pid namespace outlive its first,
/// and one whose start was cut off may be on its way in.
pub(super) fn remove(parent: &OwnedFd, name: &str) -> Result<(), Error> {
    let deadline = Instant::now() + GRACE;
    loop {
        match remove_tree(parent, name) {
            Err(e) if is_busy(&e) && Instant::now() < deadline => {}
            other => return other,
        }
        if let Ok(cgroup) = open_dir(parent, name) {
            kill(&cgroup)?;
        }
        sleep(Duration::from_millis(1));
    }
}

fn is_busy(error: &Error) -> bool {
    error.io_kind() == std::io::ErrorKind::ResourceBusy
}

fn open_dir(parent: impl AsFd, name: impl AsRef<std::path::Path>) -> Result<OwnedFd, Error> {
    open_beneath(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
}
