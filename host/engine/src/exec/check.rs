//! A command whose output is captured and whose time is limited: a health
//! check.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bulkhead_model::process::{Attachment, ExitStatus, ProcessRef};
use bulkhead_model::{ContainerId, ExecId};

use super::{ExecSpec, cannot_exec, plan, ready_for_exec};
use crate::Engine;
use crate::error::EngineError;

/// Bytes of output that are kept, as in Docker.
const KEPT: usize = 4096;
/// How long a record may be missing once the output has ended.
const RECORD: Duration = Duration::from_secs(2);
const SIGKILL: i32 = 9;

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOutput {
    /// The exit code; absent: it took too long and was killed.
    pub code: Option<i32>,
    /// The beginning of its output, both streams as they came.
    pub output: Vec<u8>,
}

impl Engine {
    /// Runs a command in a container and waits for it, for `timeout` at most.
    /// For a thread that may block.
    ///
    /// # Errors
    /// The container does not run, the command cannot be started.
    pub fn exec_and_capture(
        &self,
        container: &ContainerId,
        spec: &ExecSpec,
        timeout: Duration,
    ) -> Result<CheckOutput, EngineError> {
        let record = self.containers.find(container.as_str())?.record();
        ready_for_exec(&record)?;
        let id = ExecId::from_bytes(crate::random_bytes());
        let process = ProcessRef::exec(container, &id);
        let (ours, theirs) = UnixStream::pair().map_err(EngineError::Check)?;
        let attachment = Attachment {
            stream: theirs.into(),
            early: Vec::new(),
            stdin: false,
            stdout: true,
            stderr: true,
            framed: false,
            close_stdin: false,
            detach_keys: Vec::new(),
        };
        let plan = plan::exec(&record, spec, process.clone(), &self.linked_env(&record))?;
        self.exec_event(&record, "exec_create", &id, spec);
        self.exec_event(&record, "exec_start", &id, spec);
        let started = self.runtime.exec(&plan, vec![attachment]);
        let _running = started.map_err(cannot_exec)?;
        let captured = self.capture(ours, &process, timeout);
        if let Ok(CheckOutput { code, .. }) = &captured {
            let code = code.unwrap_or(128 + SIGKILL).to_string();
            let more = [("execID", id.as_str()), ("exitCode", code.as_str())];
            self.events.container(&record, "exec_die", more);
        }
        self.runtime.forget_exec(&process)?;
        captured
    }

    fn capture(
        &self,
        mut stream: UnixStream,
        process: &ProcessRef,
        timeout: Duration,
    ) -> Result<CheckOutput, EngineError> {
        let deadline = Instant::now() + timeout;
        let mut output = Vec::new();
        let mut piece = [0; KEPT];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Gone meanwhile is as good as killed.
                let _ = self.runtime.signal(process, SIGKILL);
                self.recorded_soon(process);
                return Ok(CheckOutput { code: None, output });
            }
            stream
                .set_read_timeout(Some(left))
                .map_err(EngineError::Check)?;
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    let room = KEPT - output.len();
                    output.extend_from_slice(&piece[..count.min(room)]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(EngineError::Check(error)),
            }
        }
        let exit = self.recorded_soon(process);
        Ok(CheckOutput {
            code: Some(exit.map_or(128 + SIGKILL, |exit| exit.code)),
            output,
        })
    }

    /// The shim records the end before it closes the streams.
    fn recorded_soon(&self, process: &ProcessRef) -> Option<ExitStatus> {
        let until = Instant::now() + RECORD;
        loop {
            let exit = self.runtime.recorded_exit(process);
            if exit.is_some() || Instant::now() > until {
                return exit;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
