//! `start`: a network plan from a plugin, a mount from a plugin, one merged
//! plan for the runtime.

use bulkhead_model::container::{Decision, Life};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::process::{ExitStatus, Running};
use bulkhead_model::storage::{Purpose, RootMount};

use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::exited::{failed, take_up};
use crate::live::Message;
use crate::networks::Wiring;
use crate::{Engine, block_devices, files, health, now, plan};

impl Engine {
    /// Starts a container, with the clients that wait for it; nothing is done
    /// when it runs already.
    pub async fn start(&self, id: &str) -> Result<Decision, EngineError> {
        self.request(id, Message::Start).await
    }

    /// Starts the process and records it, or why it could not be started: a
    /// container that was to go with its end has gone then, which is
    /// [`State::Removing`](bulkhead_model::container::State::Removing).
    pub(crate) fn start_process(
        &self,
        entry: &Entry,
        life: &mut Life,
    ) -> Result<Running, EngineError> {
        let record = entry.record();
        // Who sees its output may wait for its end before the start is recorded.
        entry.set_phase(|phase| phase.active = true);
        // Copies of its files that are under way come to their end first.
        let _root = entry.mount_root();
        let started = self.start_wired(&record);
        let recorded = started.and_then(|(running, wiring)| {
            self.started(entry, life, &running, wiring)?;
            Ok(running)
        });
        if recorded.is_ok() {
            if let Err(error) = self.attach_waiting(&record.id) {
                tracing::debug!(container = %record.id, %error, "attaching late clients");
            }
        } else {
            self.let_clients_go(&record.id);
        }
        recorded.map_err(|error| self.not_started(entry, life, error))
    }

    fn start_wired(&self, record: &Container) -> Result<(Running, Wiring), EngineError> {
        let started = self.start_with_volumes(record);
        if started.is_err() {
            self.leave_volumes(record, record.id.as_str());
            self.say_unmounts(record);
        }
        started
    }

    fn start_with_volumes(&self, record: &Container) -> Result<(Running, Wiring), EngineError> {
        let shared = self.shared_namespaces(record)?;
        let _places = self.volume_users_now.hold_places();
        self.use_volumes(record, record.id.as_str())?;
        self.say_mounts(record);
        let rootfs = self.rootfs(record)?;
        let linked = self.linked(record)?;
        let mut wiring = self.wire(record)?;
        let resolv_conf = self.host_resolver.text(&self.config.resolv_conf);
        let host = plan::HostFacts {
            cpus: self.config.cpus,
            resolv_conf: &resolv_conf,
            host_gateway: self.host_gateway(&wiring.endpoints),
            user_namespace: &self.config.user_namespace,
            linked: &linked,
            shared: &shared,
        };
        let started = plan::container(record, rootfs, &wiring, &host).and_then(|mut plan| {
            block_devices::fill(&record.spec.limits, &mut plan.resources)?;
            wiring.resolv_conf = files::resolv_conf_of(&plan);
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

    fn started(
        &self,
        entry: &Entry,
        life: &mut Life,
        running: &Running,
        wiring: Wiring,
    ) -> Result<(), EngineError> {
        life.started(running.pid, now());
        let record = self.containers.update(entry, |record| {
            take_up(record, life);
            record.endpoints = wiring.endpoints;
            record.resolv_conf = wiring.resolv_conf;
            record.network_plugin = wiring.plugin;
            health::begin(record);
        })?;
        self.say_endpoints(&record, "connect");
        self.tell_linking(&record);
        entry.set_phase(|phase| phase.error = None);
        self.events.container(&record, "start", []);
        Ok(())
    }

    /// Records why a container could not be started, and removes it if it was
    /// to go with its end. Docker's codes: 127 not found, 126 not executable, 128 else.
    fn not_started(&self, entry: &Entry, life: &mut Life, error: EngineError) -> EngineError {
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
        life.not_started(status, text.clone());
        let recorded = self.containers.update(entry, |record| {
            take_up(record, life);
            record.endpoints.clear();
            record.exits += 1;
        });
        entry.set_phase(|phase| failed(phase, code, &text));
        let removed = recorded.and_then(|record| {
            if record.spec.auto_remove {
                life.removing();
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
}
