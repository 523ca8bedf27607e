//! What is done to containers that run or have run.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bulkhead_model::ContainerId;
use bulkhead_model::error::message;
use bulkhead_model::process::{Attachment, ExitStatus, ProcessRef, Running};
use bulkhead_sys::path::{OFlag, open_beneath, proc_path};
use bulkhead_sys::{pidfd, poll, tree};

use super::Runtime;
use crate::error::RuntimeError;
use crate::layout::{EXIT, SOCKET};
use crate::order::attach_order;
use crate::shim_protocol::{Event, Message, Request, read_event};
use crate::{exit_record, handoff};

/// How long an ended shim may take to go.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long a shim may take to say what its container does.
const PATIENCE: Duration = Duration::from_secs(10);

impl Runtime {
    /// Connects by way of the directory's descriptor: the socket's own path
    /// may be longer than the 107 bytes `sockaddr_un` holds.
    fn connect(&self, process: &ProcessRef) -> Result<UnixStream, RuntimeError> {
        let state = self
            .layout
            .process(process)
            .map_err(|_| not_running(process))?;
        let path: PathBuf = [proc_path(&state), SOCKET.to_owned()].iter().collect();
        UnixStream::connect(path).map_err(|_| not_running(process))
    }

    pub(super) fn reconnect_shim(&self, process: &ProcessRef) -> Result<Running, RuntimeError> {
        let (pid, shim) = match self.running(process) {
            Err(error @ RuntimeError::Paused(_)) => {
                // Who asked for it was told nothing, or that it cannot be.
                self.end_exec_shim(process)?;
                return Err(error);
            }
            found => found?,
        };
        let mut running = Running {
            pid,
            shim,
            resolver: None,
            warnings: Vec::new(),
        };
        if process.exec.is_none() {
            running.warnings = self.restore_network(&process.container);
            match self.resolver_again(&process.container) {
                Ok(resolver) => running.resolver = resolver,
                Err(error) => running.warnings.push(message(&error)),
            }
        }
        Ok(running)
    }

    /// The pid of a running process and a connection to its shim.
    pub(super) fn running(&self, process: &ProcessRef) -> Result<(u32, UnixStream), RuntimeError> {
        let connection = self.connect(process)?;
        // One that is starting its container answers after that.
        let patience = |limit| connection.set_read_timeout(limit);
        patience(Some(PATIENCE)).map_err(RuntimeError::Shim)?;
        send(&connection, process, &Request::GetState)?;
        if process.exec.is_some() {
            self.until_it_speaks(&process.container, &connection, PATIENCE)?;
        }
        let answer = next_state(&connection, process)?;
        patience(None).map_err(RuntimeError::Shim)?;
        match answer {
            Event::Started { pid } => Ok((pid, connection)),
            _ => Err(not_running(process)),
        }
    }

    pub(super) fn send_signal(
        &self,
        process: &ProcessRef,
        signal: i32,
    ) -> Result<(), RuntimeError> {
        send(&self.connect(process)?, process, &Request::Signal(signal))
    }

    pub(super) fn resize_terminal(
        &self,
        process: &ProcessRef,
        columns: u16,
        rows: u16,
    ) -> Result<(), RuntimeError> {
        let resize = Request::Resize { columns, rows };
        send(&self.connect(process)?, process, &resize)
    }

    /// Hands a client's socket over; from then on it is the shim's alone.
    pub(super) fn attach_client(
        &self,
        process: &ProcessRef,
        attachment: Attachment,
    ) -> Result<(), RuntimeError> {
        use std::io::Write;
        let connection = self.connect(process)?;
        let (order, socket) = attach_order(attachment);
        let mut bytes = Vec::new();
        Request::Attach(order).encode(&mut bytes);
        let sent = bulkhead_sys::socket::send(&connection, &bytes, &[socket.as_fd()]);
        let sent = sent.map_err(|error| match is_gone(error.io_kind()) {
            true => not_running(process),
            false => error.into(),
        })?;
        (&connection)
            .write_all(&bytes[sent..])
            .map_err(|source| broke_off(process, source))
    }

    pub(super) fn read_exit(&self, process: &ProcessRef) -> Option<ExitStatus> {
        let state = self.layout.process(process).ok()?;
        let file = open_beneath(state, EXIT, OFlag::O_RDONLY, 0).ok()?;
        let text = std::io::read_to_string(std::fs::File::from(file)).ok()?;
        exit_record::parse(&text)
    }

    pub(super) fn remove_leftovers(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let id = id.as_str();
        if !self.reap_one(id)? {
            self.end_shim_of_another_daemon(id)?;
        }
        match self.layout.shim(id) {
            Ok(state) => handoff::detach(&handoff::read_note(&state)?, id, &self.network)?,
            Err(_) => handoff::detach_unknown(id, &self.network)?,
        }
        self.remove_cgroups(id)?;
        self.reap_execs(id)?;
        Ok(tree::remove_tree(&self.layout.shims, id)?)
    }

    /// Waits for a shim of ours to end, a moment; then it is killed. Whether
    /// there was one.
    pub(super) fn reap_one(&self, name: &str) -> Result<bool, RuntimeError> {
        let child = self
            .children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        let Some(child) = child else {
            return Ok(false);
        };
        if !ends_within(&child, GRACE)? {
            let _ = pidfd::send_signal(&child, 9);
        }
        pidfd::wait(&child)?;
        Ok(true)
    }

    /// Reaps shims that have ended.
    pub(super) fn reap(&self) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|_, child| !matches!(pidfd::try_wait(&*child), Ok(Some(_))));
    }
}

pub(super) fn ends_within(child: &OwnedFd, limit: Duration) -> Result<bool, RuntimeError> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let events = poll::wait(
            &[(child.as_fd(), poll::Events::POLLIN)],
            Some(left.as_millis() as u16),
        )?;
        if !events[0].is_empty() {
            return Ok(true);
        }
        if left.is_zero() {
            return Ok(false);
        }
    }
}

fn send(
    connection: &UnixStream,
    process: &ProcessRef,
    request: &Request,
) -> Result<(), RuntimeError> {
    use std::io::Write;
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    let mut stream = connection;
    stream
        .write_all(&bytes)
        .map_err(|source| broke_off(process, source))
}

/// What the process does now.
pub(super) fn ask_state(
    connection: &UnixStream,
    process: &ProcessRef,
) -> Result<Event, RuntimeError> {
    send(connection, process, &Request::GetState)?;
    next_state(connection, process)
}

fn next_state(mut connection: &UnixStream, process: &ProcessRef) -> Result<Event, RuntimeError> {
    loop {
        match read_event(&mut connection).map_err(|source| broke_off(process, source))? {
            // A client left before the answer.
            Event::Detached => {}
            state => return Ok(state),
        }
    }
}

/// A shim that took the connection and went is one that saw its process end.
fn broke_off(process: &ProcessRef, source: io::Error) -> RuntimeError {
    match is_gone(source.kind()) {
        true => not_running(process),
        false => RuntimeError::Shim(source),
    }
}

fn is_gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionReset | UnexpectedEof)
}

pub(super) fn not_running(process: &ProcessRef) -> RuntimeError {
    let name = match &process.exec {
        None => process.container.as_str(),
        Some(exec) => exec.as_str(),
    };
    RuntimeError::NotRunning(name.to_owned())
}
