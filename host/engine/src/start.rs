//! `start`: a network plan from a plugin, a mount from a plugin, one merged
//! plan for the runtime.

use bulkhead_model::ContainerId;
use bulkhead_model::container::{Decision, Request, State};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::process::{ExitStatus, Running};
use bulkhead_model::storage::{Purpose, RootMount};

use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::networks::Wiring;
use crate::{Engine, now, plan};

/// What `start` did.
#[derive(Debug)]
pub enum Started {
    /// The process runs; the daemon follows its shim.
    Now(Running),
    /// It ran already.
    Already,
}

impl Engine {
    /// Starts a container, with the clients that wait for it.
    pub fn start(&self, id: &str) -> Result<Started, EngineError> {
        let entry = self.containers.find(id)?;
        let _exclusive = entry.exclusive();
        let record = entry.record();
        match record.state.decide(Request::Start) {
            Decision::NothingToDo => return Ok(Started::Already),
            Decision::Proceed => {}
            refusal => {
                return Err(EngineError::refused(
                    refusal,
                    record.id.as_str(),
                    &record.name,
                ));
            }
        }
        match self.start_process(&record) {
            Ok((running, wiring)) => {
                self.started(&entry, &running, wiring)?;
                if let Err(error) = self.attach_waiting(&record.id) {
                    tracing::debug!(container = %record.id, %error, "attaching late clients");
                }
                Ok(Started::Now(running))
            }
            Err(error) => {
                self.let_clients_go(&record.id);
                Err(self.not_started(&entry, error))
            }
        }
    }

    fn start_process(&self, record: &Container) -> Result<(Running, Wiring), EngineError> {
        let rootfs = self.rootfs(record)?;
        let wiring = self.wire(record)?;
        let resolv_conf = std::fs::read_to_string(&self.config.resolv_conf).unwrap_or_default();
        let host = plan::HostFacts {
            cpus: self.config.cpus,
            resolv_conf: &resolv_conf,
            user_namespace: &self.config.user_namespace,
        };
        let started = plan::container(record, rootfs, &wiring, &host).and_then(|plan| {
            let clients = self.clients_of(&record.id);
            Ok(self.runtime.start(&plan, &wiring.plan, clients)?)
        });
        match started {
            Ok(running) => Ok((running, wiring)),
            Err(error) => {
                self.unwire(&wiring.endpoints);
                Err(error)
            }
        }
    }

    /// The mount that `create` was given, or the driver's answer for a snapshot that exists.
    fn rootfs(&self, record: &Container) -> Result<RootMount, EngineError> {
        if let Some(mount) = self
            .prepared
            .lock()
            .expect("prepared mounts")
            .remove(&record.id)
        {
            return Ok(mount);
        }
        self.snapshot_mount(record, Purpose::Run)
    }

    fn started(&self, entry: &Entry, running: &Running, wiring: Wiring) -> Result<(), EngineError> {
        let state = State::Running {
            started_at: now(),
            pid: running.pid,
        };
        let record = self.containers.update(entry, |record| {
            record.state = state;
            record.endpoints = wiring.endpoints;
            record.network_plugin = wiring.plugin;
        })?;
        self.say_endpoints(&record, "connect");
        entry.set_phase(|p| p.running = true);
        Ok(())
    }

    /// Records why a container could not be started, and removes it if it was
    /// to go with its end. Docker's codes: 127 not found, 126 not executable, 128 else.
    fn not_started(&self, entry: &Entry, error: EngineError) -> EngineError {
        let code = match error.kind() {
            ErrorKind::CommandNotFound => 127,
            ErrorKind::CommandNotExecutable => 126,
            _ => 128,
        };
        let status = ExitStatus {
            code,
            oom_killed: false,
            finished_at: now(),
        };
        let text = bulkhead_model::error::message(&error);
        let recorded = self.containers.update(entry, |record| {
            record.state = State::Exited {
                started_at: 0,
                status,
                error: text,
            };
            record.endpoints.clear();
            record.exits += 1;
        });
        entry.set_phase(|p| {
            p.exits += 1;
            p.code = code;
        });
        let removed = recorded.and_then(|record| {
            if record.spec.auto_remove {
                self.forget(&record)
            } else {
                Ok(())
            }
        });
        if let Err(after) = removed {
            tracing::warn!(error = %after, "recording a failed start");
        }
        error
    }

    /// Whether a container's first process runs now.
    pub fn is_running(&self, id: &ContainerId) -> bool {
        self.containers
            .find(id.as_str())
            .is_ok_and(|e| e.record().state.is_running())
    }
}
