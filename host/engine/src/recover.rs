//! What the engine does first: finds again the containers that outlived the
//! engine before it, and finishes what that one left half done.

use bulkhead_model::ContainerId;
use bulkhead_model::container::State;
use bulkhead_model::network::AddressPool;
use bulkhead_model::process::{ExitStatus, Running};

use crate::container::Container;
use crate::error::EngineError;
use crate::{Engine, now};

/// A container that still runs; the daemon follows its shim again.
#[derive(Debug)]
pub struct Recovered {
    /// The container.
    pub id: ContainerId,
    /// The new connection to its shim.
    pub running: Running,
}

impl Engine {
    /// Reconnects to running containers, records the ends nobody heard of.
    pub fn recover(&self) -> Result<Vec<Recovered>, EngineError> {
        let mut recovered = Vec::new();
        for entry in self.containers.all() {
            let record = entry.record();
            if !record.state.is_running() {
                if record.spec.auto_remove && matches!(record.state, State::Exited { .. }) {
                    self.forget(&record)?;
                }
                continue;
            }
            self.lease_again(&record);
            match self.runtime.reconnect(&record.id) {
                Ok(running) => recovered.push(Recovered {
                    id: record.id.clone(),
                    running,
                }),
                Err(error) => {
                    tracing::info!(container = %record.id, %error, "ended while no engine ran");
                    let lost = ExitStatus {
                        code: 137,
                        oom_killed: false,
                        finished_at: now(),
                    };
                    let status = self.runtime.recorded_exit(&record.id).unwrap_or(lost);
                    self.exited(&record.id, status)?;
                }
            }
        }
        Ok(recovered)
    }

    fn lease_again(&self, record: &Container) {
        let Some(endpoint) = &record.endpoint else {
            return;
        };
        for addr in &endpoint.addresses {
            self.pools.allocate(&endpoint.network, Some(*addr));
        }
    }
}
