//! `update`: other limits and another restart policy, for a container that
//! runs and for its next start.

use std::sync::mpsc;

use bulkhead_model::container::{Request, RestartPolicy};
use bulkhead_model::resources::Resources;

use crate::containers::Entry;
use crate::error::EngineError;
use crate::spec::Limits;
use crate::{Engine, limits};

/// What is to change. Zero and empty leave a limit as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The limits, but for that of processes.
    pub limits: Limits,
    /// Processes; 0 or less for no limit.
    pub pids: Option<i64>,
    /// The restart policy.
    pub restart: Option<RestartPolicy>,
}

/// A change that contradicts what the container has. Docker's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UpdateConflict {
    /// Billions of a CPU and periods are two ways to say the same.
    #[error("Conflicting options: {0} cannot be updated as {1} has already been set")]
    Cpu(&'static str, &'static str),
    /// More memory than memory and swap.
    #[error(
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
    )]
    Swap,
    /// It is removed at its end.
    #[error("Restart policy cannot be updated because AutoRemove is enabled for the container")]
    AutoRemove,
}

impl Engine {
    /// Changes a container; what this machine cannot limit is told.
    ///
    /// # Errors
    /// A limit that nobody can have, one that contradicts another, or one
    /// that the kernel refuses; then nothing has changed.
    pub async fn update(&self, id: &str, update: Update) -> Result<Vec<String>, EngineError> {
        let mut alone = update.limits.clone();
        if alone.memory == 0 {
            // More or less swap for memory that is limited already.
            alone.memory_swap = 0;
        }
        limits::resources(&alone, self.config.cpus)?;
        let (send, warnings) = mpsc::channel();
        self.change(id, Request::Update, move |engine, entry| {
            let id = entry.record().id.to_string();
            let changed = engine.apply_update(entry, &update);
            let told = changed.map_err(|source| EngineError::CannotUpdate {
                id,
                source: Box::new(source),
            })?;
            engine.events.container(&entry.record(), "update", []);
            // Whoever asked has gone: nobody is told.
            let _ = send.send(told);
            Ok(())
        })
        .await?;
        Ok(warnings.try_iter().flatten().collect())
    }

    fn apply_update(&self, entry: &Entry, update: &Update) -> Result<Vec<String>, EngineError> {
        let record = entry.record();
        let restart = update.restart;
        if record.spec.auto_remove && restart.is_some_and(|policy| !policy.is_none()) {
            return Err(UpdateConflict::AutoRemove.into());
        }
        let merged = merge(&record.spec.limits, update)?;
        let whole = limits::resources(&merged, self.config.cpus)?;
        // First what may fail for want of room on the disk: then the kernel
        // knows of nothing.
        self.containers.update(entry, |record| {
            record.spec.limits = merged;
            record.spec.restart = restart.unwrap_or(record.spec.restart);
        })?;
        if !record.state.is_running() {
            return Ok(Vec::new());
        }
        let told = self.runtime.update(&record.id, &changed(update, whole));
        if told.is_err() {
            self.containers.update(entry, |changed| {
                changed.spec.limits.clone_from(&record.spec.limits);
                changed.spec.restart = record.spec.restart;
            })?;
        }
        Ok(told?)
    }
}

/// The limits after the change.
fn merge(old: &Limits, update: &Update) -> Result<Limits, UpdateConflict> {
    let new = &update.limits;
    let conflicts = [
        (new.nano_cpus, old.cpu_period, "Nano CPUs", "CPU Period"),
        (new.nano_cpus, old.cpu_quota, "Nano CPUs", "CPU Quota"),
        (new.cpu_period, old.nano_cpus, "CPU Period", "NanoCPUs"),
        (new.cpu_quota, old.nano_cpus, "CPU Quota", "NanoCPUs"),
    ];
    if let Some((.., what, other)) = conflicts.iter().find(|(a, b, ..)| *a > 0 && *b > 0) {
        return Err(UpdateConflict::Cpu(what, other));
    }
    let mut out = old.clone();
    // What `create` took for granted.
    if old.memory_swap == 0 {
        out.memory_swap = old.memory.saturating_mul(2);
    }
    let unlimited = out.memory_swap < 0;
    if new.memory_swap == 0 && new.memory > out.memory_swap && !unlimited {
        return Err(UpdateConflict::Swap);
    }
    for (field, value) in [
        (&mut out.memory, new.memory),
        (&mut out.memory_swap, new.memory_swap),
        (&mut out.memory_reservation, new.memory_reservation),
        (&mut out.nano_cpus, new.nano_cpus),
        (&mut out.cpu_period, new.cpu_period),
        (&mut out.cpu_quota, new.cpu_quota),
        (&mut out.cpu_shares, new.cpu_shares),
    ] {
        if value != 0 {
            *field = value;
        }
    }
    for (field, value) in [
        (&mut out.cpuset_cpus, &new.cpuset_cpus),
        (&mut out.cpuset_mems, &new.cpuset_mems),
    ] {
        if !value.is_empty() {
            field.clone_from(value);
        }
    }
    if new.blkio_weight != 0 {
        out.blkio_weight = new.blkio_weight;
    }
    if let Some(most) = update.pids {
        out.pids = if most > 0 { most } else { -1 };
    }
    Ok(out)
}

/// What the kernel has to be told: memory and swap depend on each other, as
/// do period and quota.
fn changed(update: &Update, whole: Resources) -> Resources {
    let new = &update.limits;
    let memory = new.memory != 0 || new.memory_swap != 0;
    let bandwidth = new.nano_cpus != 0 || new.cpu_period != 0 || new.cpu_quota != 0;
    let unlimited = (new.cpu_quota < 0).then_some(-1);
    Resources {
        memory: whole.memory.filter(|_| memory),
        memory_swap: whole.memory_swap.filter(|_| memory),
        memory_reservation: (whole.memory_reservation).filter(|_| new.memory_reservation != 0),
        nano_cpus: whole.nano_cpus.filter(|_| bandwidth),
        cpu_period: whole.cpu_period.filter(|_| bandwidth),
        cpu_quota: unlimited.or(whole.cpu_quota.filter(|_| bandwidth)),
        cpu_shares: whole.cpu_shares.filter(|_| new.cpu_shares != 0),
        cpuset_cpus: whole.cpuset_cpus.filter(|_| !new.cpuset_cpus.is_empty()),
        cpuset_mems: whole.cpuset_mems.filter(|_| !new.cpuset_mems.is_empty()),
        pids: update.pids.map(|most| if most > 0 { most } else { -1 }),
        blkio_weight: whole.blkio_weight.filter(|_| new.blkio_weight != 0),
        ..Resources::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(memory: i64, memory_swap: i64) -> Limits {
        Limits {
            memory,
            memory_swap,
            ..Limits::default()
        }
    }

    fn update(limits: Limits) -> Update {
        Update {
            limits,
            ..Update::default()
        }
    }

    #[test]
    fn memory_stays_below_memory_and_swap() {
        let with = |old: Limits, new: Limits| merge(&old, &update(new));
        assert_eq!(
            with(memory(64, 0), memory(100, 0)).unwrap().memory_swap,
            128
        );
        assert_eq!(
            with(memory(64, 0), memory(200, 0)).unwrap_err(),
            UpdateConflict::Swap
        );
        assert_eq!(
            with(memory(0, 0), memory(100, 0)).unwrap_err(),
            UpdateConflict::Swap
        );
        assert_eq!(
            with(memory(0, 0), memory(100, 150)).unwrap().memory_swap,
            150
        );
        assert_eq!(with(memory(64, -1), memory(200, 0)).unwrap().memory, 200);
    }

    #[test]
    fn two_ways_to_limit_processors_exclude_each_other() {
        let old = Limits {
            nano_cpus: 5,
            ..Limits::default()
        };
        let new = update(Limits {
            cpu_quota: 5000,
            ..Limits::default()
        });
        assert_eq!(
            merge(&old, &new).unwrap_err().to_string(),
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"
        );
    }

    #[test]
    fn only_what_changes_reaches_the_kernel() {
        let mut change = update(Limits::default());
        change.pids = Some(0);
        let old = Limits {
            memory: 8 << 20,
            pids: 5,
            cpuset_cpus: "0".into(),
            ..Limits::default()
        };
        let merged = merge(&old, &change).unwrap();
        assert_eq!((merged.pids, merged.memory_swap), (-1, 16 << 20));
        let told = changed(&change, limits::resources(&merged, 2).unwrap());
        let expected = Resources {
            pids: Some(-1),
            ..Resources::default()
        };
        assert_eq!(told, expected);
    }
}
