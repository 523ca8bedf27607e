//! What an earlier daemon left: shims that are not our children, and things in
//! the kernel that belong to containers nobody may know any more.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bulkhead_model::ContainerId;
use bulkhead_model::error::message;
use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::ProcessRef;
use bulkhead_sys::directory::entries;
use bulkhead_sys::pidfd;

use super::Runtime;
use super::operations::{GRACE, ends_within};
use crate::error::RuntimeError;
use crate::{handoff, network};

const SIGKILL: i32 = 9;

impl Runtime {
    /// Every container that has a state directory, a cgroup or a published
    /// port. What cannot be listed is not there: a kernel without nf_tables.
    pub(super) fn held_containers(&self) -> Vec<ContainerId> {
        let states = entries(&self.layout.shims).unwrap_or_default();
        let mut names: BTreeSet<String> = states
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect();
        names.extend(self.cgroups.containers());
        names.extend(network::endpoints(&self.network).unwrap_or_default());
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    pub(super) fn noted_network(&self, id: &ContainerId) -> Option<NetworkPlan> {
        let state = self.layout.shim(id.as_str()).ok()?;
        handoff::read_note(&state).ok()
    }

    /// The packet filter may have been flushed while no daemon ran.
    pub(super) fn restore_network(&self, id: &ContainerId) -> Vec<String> {
        let restored = match self.layout.shim(id.as_str()) {
            Ok(state) => handoff::restore_noted(&state, id.as_str(), &self.network),
            Err(error) => Err(error.into()),
        };
        restored.err().iter().map(|e| message(e)).collect()
    }

    /// Ends a container's shim that we did not start. One that has recorded
    /// its exit is about to end; another may be starting its container yet.
    pub(super) fn end_shim_of_another_daemon(&self, id: &str) -> Result<(), RuntimeError> {
        let recorded = id
            .parse()
            .is_ok_and(|id| self.read_exit(&ProcessRef::first(&id)).is_some());
        let grace = if recorded { GRACE } else { Duration::ZERO };
        end_all(self.find_shims(&[id]), grace)
    }

    /// Ends the shim of one more process, which we did not start.
    pub(super) fn end_exec_shim(&self, process: &ProcessRef) -> Result<(), RuntimeError> {
        let Some(exec) = &process.exec else {
            return Ok(());
        };
        let names = [process.container.as_str(), exec.as_str()];
        end_all(self.find_shims(&names), Duration::ZERO)
    }

    /// Shims have a cgroup of their own, in which no container can put a
    /// process, and for arguments their container's id and that of their process.
    fn find_shims(&self, names: &[&str]) -> Vec<OwnedFd> {
        let open = |pid: u32| {
            let process = pidfd::open(pid).ok()?;
            // Read after it was opened: the pid is that process's.
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let arguments: Vec<_> = line.split(|b| *b == 0).skip(1).collect();
            let ours = (names.iter().enumerate())
                .all(|(nth, name)| arguments.get(nth) == Some(&name.as_bytes()));
            ours.then_some(process)
        };
        self.cgroups
            .shim_processes()
            .into_iter()
            .filter_map(open)
            .collect()
    }
}

fn end_all(shims: Vec<OwnedFd>, grace: Duration) -> Result<(), RuntimeError> {
    for shim in shims {
        if !ends_within(&shim, grace)? {
            let _ = pidfd::send_signal(&shim, SIGKILL);
            ends_within(&shim, GRACE)?;
        }
    }
    Ok(())
}
