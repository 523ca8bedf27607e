//! What follows the end of a container's first process.

use bulkhead_model::ContainerId;
use bulkhead_model::container::State;
use bulkhead_model::process::ExitStatus;

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;

impl Engine {
    /// Records the end, gives back what the container held, and removes it
    /// when it was started with `--rm`. Called once per start, by whoever
    /// follows the shim.
    pub fn exited(&self, id: &ContainerId, status: ExitStatus) -> Result<(), EngineError> {
        let entry = self.containers.find(id.as_str())?;
        let _exclusive = entry.exclusive();
        let before = entry.record();
        let State::Running { started_at, .. } = before.state else {
            return Ok(());
        };
        if before.spec.auto_remove {
            self.let_go(&before);
            entry.set_phase(|p| ended(p, status.code));
            return self.forget(&before);
        }
        self.containers.update(&entry, |record| {
            record.state = State::Exited {
                started_at,
                status,
                error: String::new(),
            };
            record.endpoints.clear();
            record.exits += 1;
        })?;
        // After the record: the shim's, which is the only other one, goes with it.
        self.let_go(&before);
        entry.set_phase(|p| ended(p, status.code));
        Ok(())
    }

    /// Gives back a stopped container's links, cgroups and addresses.
    pub(crate) fn let_go(&self, record: &Container) {
        if let Err(error) = self.runtime.cleanup(&record.id) {
            tracing::warn!(container = %record.id, %error, "cleaning up after a container");
        }
        self.unwire(&record.endpoints);
        self.say_endpoints(record, "disconnect");
    }
}

fn ended(phase: &mut crate::container::Phase, code: i32) {
    phase.running = false;
    phase.exits += 1;
    phase.code = code;
}
