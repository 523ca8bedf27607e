//! What a running container uses.

use bulkhead_model::ContainerId;
use bulkhead_model::network::{NetworkPlan, NetworkStep};
use bulkhead_model::process::{InterfaceStats, Stats};
use bulkhead_sys::pidfd;

use super::Runtime;
use crate::error::RuntimeError;
use crate::network::counters;

impl Runtime {
    pub(super) fn read_stats(&self, id: &ContainerId) -> Result<Stats, RuntimeError> {
        let cgroups = self.cgroups_of(id.as_str());
        let processes = cgroups.processes(id.as_str());
        if processes.is_empty() {
            return Err(RuntimeError::NotRunning(id.as_str().to_owned()));
        }
        let mut stats = cgroups.stats(id.as_str());
        stats.interfaces = self.interfaces(id, &processes);
        Ok(stats)
    }

    /// The interfaces that the engine made: neither loopback nor what the
    /// container makes for itself, as in Docker.
    fn interfaces(&self, id: &ContainerId, processes: &[u32]) -> Vec<InterfaceStats> {
        let made = self.noted_network(id).map(|plan| names(&plan));
        let Some(made) = made.filter(|made| !made.is_empty()) else {
            return Vec::new();
        };
        let mut all = self.counters(id, processes);
        all.retain(|interface| made.contains(&interface.name));
        all
    }

    /// Any process of the container's will do, but it must still be one after
    /// it was read: a pid may be somebody else's by then.
    fn counters(&self, id: &ContainerId, processes: &[u32]) -> Vec<InterfaceStats> {
        for pid in processes {
            let Ok(process) = pidfd::open(*pid) else {
                continue;
            };
            let counters = counters::read(*pid);
            let same = pidfd::send_signal(&process, 0).is_ok()
                && self
                    .cgroups_of(id.as_str())
                    .processes(id.as_str())
                    .contains(pid);
            if same {
                return counters;
            }
        }
        Vec::new()
    }
}

fn names(plan: &NetworkPlan) -> Vec<String> {
    let inner = |step: &NetworkStep| match step {
        NetworkStep::Veth { inner, .. } => Some(inner.as_str().to_owned()),
        _ => None,
    };
    plan.steps.iter().filter_map(inner).collect()
}
