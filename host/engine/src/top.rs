//! `top`: the host's ps(1) over a container's processes.
//!
//! The arguments are the client's, as in Docker; they reach ps without a
//! shell, with an environment of our own, bounded in length, output and time.

mod proc;
mod table;

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Engine;
use crate::error::EngineError;
pub use table::{InvalidTable, Table};

/// What ps is called with when nothing is asked for.
const DEFAULT: &str = "-ef";

const LONGEST_ARGUMENTS: usize = 4096;
const LONGEST_OUTPUT: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Another column would pass for the pid's.
    #[error("specifying \"{0}={1}\" is not allowed")]
    Heading(String, String),
    /// More than anybody types.
    #[error("arguments for ps are longer than {LONGEST_ARGUMENTS} bytes")]
    TooLong,
    /// No ps on this machine.
    #[error("exec: \"ps\": executable file not found in $PATH")]
    Missing,
    /// It could not be run.
    #[error("ps")]
    Run(#[source] io::Error),
    /// It said why it failed.
    #[error("ps: {0}")]
    Failed(String),
    /// What it wrote is no table.
    #[error(transparent)]
    Table(#[from] InvalidTable),
}

impl Engine {
    /// The processes of a running container.
    ///
    /// # Errors
    /// It does not run, or ps refuses the arguments.
    pub fn top(&self, id: &str, arguments: &str) -> Result<Table, EngineError> {
        let arguments = Some(arguments).filter(|a| !a.is_empty()).unwrap_or(DEFAULT);
        table::check_headings(arguments)?;
        if arguments.len() > LONGEST_ARGUMENTS {
            return Err(TopError::TooLong.into());
        }
        let record = self.containers.find(id)?.record();
        if !record.state.is_running() {
            return Err(EngineError::NotRunning {
                id: record.id.to_string(),
            });
        }
        let pids = self.runtime.processes(&record.id);
        let table = match list(arguments, &pids) {
            Err(TopError::Missing) if arguments == DEFAULT => proc::table(&pids),
            listed => listed?,
        };
        self.events.container(&record, "top", []);
        Ok(table)
    }
}

fn list(arguments: &str, pids: &[u32]) -> Result<Table, TopError> {
    let numbers: Vec<String> = pids.iter().map(u32::to_string).collect();
    let only = format!("-q{}", numbers.join(","));
    let words = || arguments.split(' ');
    // Some arguments cannot be had together with a list of pids.
    let output = match ps(words().chain([only.as_str()]))? {
        first if first.status.success() => first,
        _ => ps(words())?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().next().filter(|line| !line.is_empty());
        let status = || output.status.to_string();
        return Err(TopError::Failed(reason.map_or_else(status, str::to_owned)));
    }
    Ok(table::parse(
        &String::from_utf8_lossy(&output.stdout),
        pids,
    )?)
}

fn ps<'a>(arguments: impl Iterator<Item = &'a str>) -> Result<Output, TopError> {
    let mut command = Command::new("ps");
    command.args(arguments).env_clear();
    command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TZ"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TopError::Missing,
        _ => TopError::Run(error),
    })?;
    finish(child).map_err(TopError::Run)
}

/// Reads what a program writes, until it ends or has taken too long.
fn finish(mut child: std::process::Child) -> io::Result<Output> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let stdout = scope.spawn(|| read(stdout));
        let stderr = scope.spawn(|| read(stderr));
        let status = wait(&mut child);
        let read = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_default();
        Ok(Output {
            status: status?,
            stdout: read(stdout),
            stderr: read(stderr),
        })
    })
}

fn read(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read before a failure is enough to show.
        let _ = pipe.take(LONGEST_OUTPUT).read_to_end(&mut bytes);
    }
    bytes
}

fn wait(child: &mut std::process::Child) -> io::Result<std::process::ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_listed_with_every_column() {
        let own = std::process::id();
        for arguments in ["-ef", "aux", "-o pid,comm", "-ef f"] {
            let table = list(arguments, &[own]).unwrap();
            assert_eq!(table.rows.len(), 1, "{arguments}");
            assert_eq!(table.rows[0].len(), table.titles.len());
        }
    }

    #[test]
    fn nothing_in_the_arguments_reaches_a_shell() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("made");
        for arguments in [
            "-ef; touch FILE",
            "-ef|touch FILE",
            "$(touch FILE)",
            "-ef > FILE",
        ] {
            let arguments = arguments.replace("FILE", file.to_str().unwrap());
            let _ = list(&arguments, &[1]);
            assert!(!file.exists(), "{arguments}");
        }
    }

    #[test]
    fn what_ps_says_is_passed_on() {
        let error = list("--nope", &[1]).unwrap_err();
        assert!(
            error.to_string().starts_with("ps: error: unknown"),
            "{error}"
        );
        assert!(matches!(
            list("-o comm", &[1]),
            Err(TopError::Table(InvalidTable::NoPid))
        ));
    }
}
