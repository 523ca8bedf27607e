//! Entering the container's cgroups.

use std::os::fd::OwnedFd;

use bulkhead_sys::poll;

use super::InitError;

/// Writes `0`, which is the writer itself, to each `tasks` file.
///
/// A single thread that moves itself is the one case in which the kernel does
/// not take `cgroup_threadgroup_rwsem` for writing (`cgroup_procs_write_start`),
/// which waits for an RCU grace period: 10 to 30 ms for each hierarchy on an
/// idle machine, against some microseconds.
pub(super) fn enter(tasks: &[OwnedFd]) -> Result<(), InitError> {
    for file in tasks {
        poll::write(file, b"0")?;
    }
    Ok(())
}
