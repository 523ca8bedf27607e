//! More processes in running containers: made known by `create`, started
//! once, asked about afterwards.
//!
//! ```text
//! Created ──start──▶ Running ──its end──▶ Exited ──five minutes──▶ (forgotten)
//!    └───────start failed: 126, 127 ─────────┘
//! ```
//!
//! What runs and what has ended is found again by the runtime's records after
//! a restart of the daemon; what was only created is not.

mod check;
mod note;
mod plan;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_model::container::{Decision, Request};
use bulkhead_model::error::{ErrorKind, Failure, Kind};
use bulkhead_model::process::{Attachment, ExitStatus, ProcessRef, Running};
use bulkhead_model::{ContainerId, ExecId};

pub use check::CheckOutput;

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;

/// How long an ended process can be asked about, as in Docker at least.
const REMEMBERED: Duration = Duration::from_secs(300);

/// What is to run.
#[derive(Clone, Debug, Default)]
pub struct ExecSpec {
    /// The command line; never empty.
    pub args: Vec<String>,
    /// `NAME=value`, beside the container's.
    pub env: Vec<String>,
    /// Empty: the container's.
    pub user: String,
    /// Empty: the container's.
    pub working_dir: String,
    /// With a terminal.
    pub tty: bool,
    /// Its first size: columns, rows.
    pub console_size: Option<(u16, u16)>,
    /// The client's input is its.
    pub stdin: bool,
    /// The client gets its output.
    pub stdout: bool,
    /// The client gets its error output.
    pub stderr: bool,
    /// All capabilities, no filter.
    pub privileged: bool,
    /// What detaches its client.
    pub detach_keys: Vec<u8>,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecState {
    /// Not started yet.
    Created,
    /// Being started.
    Starting,
    /// It runs with this pid of the host's.
    Running(u32),
    /// It ended with this code.
    Exited(i32),
}

/// One process.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The container.
    pub container: ContainerId,
    /// What runs.
    pub spec: ExecSpec,
    /// Where it is.
    pub state: ExecState,
    ended: Option<Instant>,
}

/// All that are known.
#[derive(Debug, Default)]
pub struct Execs(Mutex<HashMap<ExecId, Exec>>);

impl Execs {
    fn table(&self) -> MutexGuard<'_, HashMap<ExecId, Exec>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<(ExecId, Exec), EngineError> {
        let missing = || EngineError::NoSuchExec(id.to_owned());
        let key: ExecId = id.parse().map_err(|_| missing())?;
        let exec = self.table().get(&key).cloned().ok_or_else(missing)?;
        Ok((key, exec))
    }

    fn set(&self, id: &ExecId, state: ExecState) {
        if let Some(exec) = self.table().get_mut(id) {
            exec.state = state;
            exec.ended = matches!(state, ExecState::Exited(_)).then(Instant::now);
        }
    }

    /// Takes the right to start: of two starts, one has it.
    fn begin(&self, id: &ExecId) -> Result<(), EngineError> {
        let mut table = self.table();
        let exec = table.get_mut(id);
        let exec = exec.ok_or_else(|| EngineError::NoSuchExec(id.to_string()))?;
        match exec.state {
            ExecState::Created => {
                exec.state = ExecState::Starting;
                Ok(())
            }
            ExecState::Exited(_) => Err(EngineError::ExecHasRun(id.to_string())),
            ExecState::Starting | ExecState::Running(_) => {
                Err(EngineError::ExecRuns(id.to_string()))
            }
        }
    }

    /// Those that run in a container.
    pub fn running(&self, container: &ContainerId) -> Vec<ExecId> {
        let table = self.table();
        let running = table.iter().filter(|(_, exec)| {
            exec.container == *container && matches!(exec.state, ExecState::Running(_))
        });
        running.map(|(id, _)| id.clone()).collect()
    }

    fn take_old(&self) -> Vec<ProcessRef> {
        let old = |exec: &Exec| exec.ended.is_some_and(|at| at.elapsed() > REMEMBERED);
        let mut table = self.table();
        let taken = table.extract_if(|_, exec| old(exec));
        taken
            .map(|(id, exec)| ProcessRef::exec(&exec.container, &id))
            .collect()
    }
}

impl Engine {
    /// Makes a process known that is to run in a container.
    ///
    /// # Errors
    /// The container does not run or is paused; no command.
    pub fn exec_create(&self, container: &str, spec: ExecSpec) -> Result<ExecId, EngineError> {
        let record = self.containers.find(container)?.record();
        ready_for_exec(&record)?;
        if spec.args.is_empty() {
            return Err(EngineError::NoExecCommand);
        }
        self.forget_old_execs();
        let id = ExecId::from_bytes(crate::random_bytes());
        self.exec_event(&record, "exec_create", &id, &spec);
        let exec = Exec {
            container: record.id.clone(),
            spec,
            state: ExecState::Created,
            ended: None,
        };
        self.execs.table().insert(id.clone(), exec);
        Ok(id)
    }

    /// What is known of it.
    ///
    /// # Errors
    /// There is none.
    pub fn exec(&self, id: &str) -> Result<(ExecId, Exec), EngineError> {
        let (key, mut exec) = self.execs.find(id)?;
        if let ExecState::Starting | ExecState::Running(_) = exec.state {
            // A client that sees the end of the output asks before whoever
            // started it or follows the shim has told us.
            let process = ProcessRef::exec(&exec.container, &key);
            if let Some(exit) = self.runtime.recorded_exit(&process) {
                exec.state = ExecState::Exited(exit.code);
            }
        }
        Ok((key, exec))
    }

    /// Whether it can be started now: what a client is told before its
    /// connection is taken over.
    ///
    /// # Errors
    /// It was started before; its container does not run or is paused.
    pub fn exec_check(&self, id: &str) -> Result<Exec, EngineError> {
        let (key, exec) = self.execs.find(id)?;
        match exec.state {
            ExecState::Created => {}
            ExecState::Exited(_) => return Err(EngineError::ExecHasRun(key.to_string())),
            _ => return Err(EngineError::ExecRuns(key.to_string())),
        }
        let record = self.containers.find(exec.container.as_str())?.record();
        ready_for_exec(&record)?;
        Ok(exec)
    }

    /// Starts it, with its client if it has one.
    ///
    /// # Errors
    /// As [`Self::exec_check`], and what the runtime says.
    pub fn exec_start(
        &self,
        id: &str,
        attached: Vec<Attachment>,
    ) -> Result<(ExecId, Running), EngineError> {
        let exec = self.exec_check(id)?;
        let record = self.containers.find(exec.container.as_str())?.record();
        let (key, _) = self.execs.find(id)?;
        self.execs.begin(&key)?;
        self.exec_event(&record, "exec_start", &key, &exec.spec);
        let process = ProcessRef::exec(&record.id, &key);
        let started = plan::exec(&record, &exec.spec, process, &self.linked_env(&record))
            .and_then(|plan| self.runtime.exec(&plan, attached).map_err(cannot_exec));
        match started {
            Ok(running) => {
                self.execs.set(&key, ExecState::Running(running.pid));
                Ok((key, running))
            }
            Err(error) => {
                let code = match error.kind() {
                    ErrorKind::CommandNotFound => 127,
                    _ => 126,
                };
                self.execs.set(&key, ExecState::Exited(code));
                Err(match error.kind() {
                    ErrorKind::Conflict => self.no_longer_ready(&record.id, error),
                    _ => error,
                })
            }
        }
    }

    /// In the usual words, what happened to the container meanwhile.
    fn no_longer_ready(&self, id: &ContainerId, error: EngineError) -> EngineError {
        let Ok(entry) = self.containers.find(id.as_str()) else {
            return EngineError::NotRunning { id: id.to_string() };
        };
        ready_for_exec(&entry.record()).err().unwrap_or(error)
    }

    /// It ended. Called once by whoever follows its shim.
    pub fn exec_exited(&self, id: &ExecId, status: Option<ExitStatus>) {
        let Ok((_, exec)) = self.execs.find(id.as_str()) else {
            return;
        };
        let process = ProcessRef::exec(&exec.container, id);
        let status = status.or_else(|| self.runtime.recorded_exit(&process));
        let code = status.map_or(137, |status| status.code);
        self.execs.set(id, ExecState::Exited(code));
        if let Ok(entry) = self.containers.find(exec.container.as_str()) {
            let code = code.to_string();
            let more = [("execID", id.as_str()), ("exitCode", code.as_str())];
            self.events.container(&entry.record(), "exec_die", more);
        }
        self.forget_old_execs();
    }

    /// Its client left by its keys.
    pub fn exec_detached(&self, id: &ExecId) {
        if let Ok((_, exec)) = self.execs.find(id.as_str())
            && let Ok(entry) = self.containers.find(exec.container.as_str())
        {
            let more = [("execID", id.as_str())];
            self.events.container(&entry.record(), "exec_detach", more);
        }
    }

    /// Tells its terminal the size.
    ///
    /// # Errors
    /// It does not run.
    pub fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> Result<(), EngineError> {
        let (key, exec) = self.execs.find(id)?;
        let ExecState::Running(_) = exec.state else {
            return Err(EngineError::ExecNotStarted);
        };
        let process = ProcessRef::exec(&exec.container, &key);
        Ok(self.runtime.resize(&process, columns, rows)?)
    }

    /// Finds again what runs in the containers that run, and what has ended
    /// there; those that run are to be followed.
    pub fn recover_execs(&self) -> Vec<(ExecId, Running)> {
        let mut found = Vec::new();
        for entry in self.containers.all() {
            let container = entry.record().id.clone();
            for id in self.runtime.known_execs(&container) {
                let process = ProcessRef::exec(&container, &id);
                let running = self.runtime.reconnect(&process).ok();
                let ended = || self.runtime.recorded_exit(&process).map_or(137, |e| e.code);
                let state = match &running {
                    Some(running) => ExecState::Running(running.pid),
                    None => ExecState::Exited(ended()),
                };
                let exec = Exec {
                    container: container.clone(),
                    spec: note::read(self.runtime.noted_exec(&process)),
                    state: ExecState::Created,
                    ended: None,
                };
                self.execs.table().insert(id.clone(), exec);
                self.execs.set(&id, state);
                found.extend(running.map(|running| (id, running)));
            }
        }
        found
    }

    fn forget_old_execs(&self) {
        for process in self.execs.take_old() {
            if let Err(error) = self.runtime.forget_exec(&process) {
                tracing::warn!(?process, %error, "forgetting a process that ended");
            }
        }
    }

    fn exec_event(&self, record: &Container, word: &str, id: &ExecId, spec: &ExecSpec) {
        let action = format!("{word}: {}", spec.args.join(" "));
        let more = [("execID", id.as_str())];
        self.events.container(record, action, more);
    }
}

/// What Docker says when there is nothing to execute: what its layers say.
fn cannot_exec(failure: Failure) -> EngineError {
    match failure.kind {
        ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable => {
            EngineError::CannotExec(failure)
        }
        _ => EngineError::Runtime(failure),
    }
}

/// Docker's refusals. Whether it still runs a moment later is the kernel's to
/// say.
fn ready_for_exec(record: &Container) -> Result<(), EngineError> {
    match record.state.decide(Request::Exec) {
        Decision::Refuse(refusal) => Err(EngineError::refused(
            refusal,
            record.id.as_str(),
            &record.name,
        )),
        _ => Ok(()),
    }
}
