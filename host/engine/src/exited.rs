//! What follows the end of a container's first process.

use std::sync::Arc;

use bulkhead_model::container::{After, Life};
use bulkhead_model::process::{ExitStatus, ProcessRef};

use crate::container::{Container, Phase};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::{Engine, health, now};

/// What is left to do after an end was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// What the policy says.
    Go(After),
    /// Nothing: the container went with its end.
    Gone,
}

impl Engine {
    /// Records the end, gives back what the container held, and removes it
    /// when it was started with `--rm`. `status` is absent when the shim did
    /// not tell: then it is what the shim recorded.
    pub(crate) fn exited(
        &self,
        entry: &Entry,
        life: &mut Life,
        status: Option<ExitStatus>,
    ) -> Result<Then, EngineError> {
        let before = entry.record();
        let status = status
            .or_else(|| self.runtime.recorded_exit(&ProcessRef::first(&before.id)))
            .unwrap_or_else(lost);
        let after = life.ended(status, before.spec.restart, before.spec.auto_remove);
        if after == After::Remove && before.spec.auto_remove {
            self.let_go(&before);
            self.publish_end(&before, life.state.started_at(), status);
            entry.set_phase(|phase| ended(phase, status.code, false));
            self.forget(&before)?;
            return Ok(Then::Gone);
        }
        self.containers.update(entry, |record| {
            take_up(record, life);
            record.endpoints.clear();
            record.exits += 1;
            health::end(record);
        })?;
        // After the record: the shim's, which is the only other one, goes with it.
        self.let_go(&before);
        self.publish_end(&before, life.state.started_at(), status);
        let active = life.state.is_active();
        entry.set_phase(|phase| ended(phase, status.code, active));
        Ok(Then::Go(after))
    }

    /// Writes down what a life says.
    pub(crate) fn record_life(&self, entry: &Entry, life: &Life) -> Result<(), EngineError> {
        self.containers
            .update(entry, |record| take_up(record, life))
            .map(drop)
    }

    fn publish_end(&self, record: &Container, started_at: u64, status: ExitStatus) {
        let seconds = status.finished_at.saturating_sub(started_at) / 1_000_000_000;
        let (code, seconds) = (status.code.to_string(), seconds.to_string());
        let more = [
            ("exitCode", code.as_str()),
            ("execDuration", seconds.as_str()),
        ];
        if status.oom_killed {
            self.events.container(record, "oom", []);
        }
        self.events.container(record, "die", more);
    }

    /// Gives back a stopped container's links, cgroups and addresses.
    pub(crate) fn let_go(&self, record: &Container) {
        if let Err(error) = self.runtime.cleanup(&record.id) {
            tracing::warn!(container = %record.id, %error, "cleaning up after a container");
        }
        self.leave_volumes(record, record.id.as_str());
        self.unwire(&record.endpoints);
        self.say_endpoints(record, "disconnect");
        self.say_unmounts(record);
    }
}

/// A record follows a life.
pub(crate) fn take_up(record: &mut Container, life: &Life) {
    record.state = life.state.clone();
    // What never ran did not end either.
    let ended = life.state.last().filter(|_| life.state.started_at() > 0);
    record.finished_at = ended.map_or(record.finished_at, |status| status.finished_at);
    record.restart_count = life.restarts.count;
    record.stopped_by_hand = life.restarts.stopped_by_hand;
}

/// How a container ended of which nobody knows: its shim was killed, or the
/// machine was started anew.
pub(crate) fn lost() -> ExitStatus {
    ExitStatus {
        code: 137,
        oom_killed: false,
        finished_at: now(),
    }
}

fn ended(phase: &mut Phase, code: i32, active: bool) {
    phase.active = active;
    phase.exits += 1;
    phase.code = code;
    phase.error = None;
}

/// A start failed: whoever waits is told as of an end.
pub(crate) fn failed(phase: &mut Phase, code: i32, error: &str) {
    ended(phase, code, false);
    phase.error = Some(Arc::from(error));
}
