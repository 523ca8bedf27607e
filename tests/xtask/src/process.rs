//! Child processes, each bounded in time. Past its limit a child is killed
//! with everything it started, so that no step can hang the whole.
//!
//! Children stay in our process group: an interrupt at the terminal reaches
//! them without us passing it on.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs with our own stdout and stderr; an error unless it exits with zero.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<()> {
    let status = status(command, limit)?;
    succeeded(command, status, "")
}

/// Runs with our own stdout and stderr and returns how it ended.
pub(crate) fn status(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let child = spawn(command.stdin(Stdio::null()))?;
    wait(child, &shown(command), limit)
}

/// Runs with both outputs captured.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command)?;
    let stdout = child.stdout.take().map(Reader::quiet);
    let stderr = child.stderr.take().map(Reader::quiet);
    let status = wait(child, &shown(command), limit)?;
    Ok(Output {
        status,
        stdout: stdout.map(Reader::end).unwrap_or_default(),
        stderr: stderr.map(Reader::end).unwrap_or_default(),
    })
}

/// Stdout of a command that must exit with zero.
pub(crate) fn stdout_of(command: &mut Command, limit: Duration) -> Result<String> {
    let output = output(command, limit)?;
    succeeded(
        command,
        output.status,
        &String::from_utf8_lossy(&output.stderr),
    )?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs quietly: what it printed is shown only when it fails.
pub(crate) fn quiet(command: &mut Command, limit: Duration) -> Result<()> {
    let output = output(command, limit)?;
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    succeeded(command, output.status, &printed)
}

/// Runs with both outputs shown as they come and kept: how it ended and every line.
pub(crate) fn tee(command: &mut Command, limit: Duration) -> Result<(ExitStatus, Vec<String>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command)?;
    let stdout = child
        .stdout
        .take()
        .map(|pipe| Reader::echoing(pipe, std::io::stdout()));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| Reader::echoing(pipe, std::io::stderr()));
    let status = wait(child, &shown(command), limit)?;
    let bytes = [stdout, stderr]
        .into_iter()
        .flatten()
        .flat_map(Reader::end)
        .collect::<Vec<u8>>();
    let text = String::from_utf8_lossy(&bytes);
    Ok((status, text.lines().map(str::to_owned).collect()))
}

/// Whether `program` is found in `PATH`.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    command
        .spawn()
        .with_context(|| format!("start {}", shown(command)))
}

fn succeeded(command: &Command, status: ExitStatus, printed: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    match printed.trim_end() {
        "" => bail!("{}: {status}", shown(command)),
        text => bail!("{}: {status}\n{text}", shown(command)),
    }
}

/// Waits for `child`; a watchdog kills its whole tree past `limit`.
pub(crate) fn wait(mut child: Child, name: &str, limit: Duration) -> Result<ExitStatus> {
    let (done, expired) = watchdog(child.id(), limit);
    let status = child.wait().with_context(|| format!("wait for {name}"));
    drop(done);
    if expired.load(Ordering::SeqCst) {
        bail!("{name}: killed after {} s", limit.as_secs());
    }
    status
}

fn watchdog(pid: u32, limit: Duration) -> (mpsc::Sender<()>, Arc<AtomicBool>) {
    let (done, rest) = mpsc::channel::<()>();
    let expired = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&expired);
    std::thread::spawn(move || {
        if rest.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            flag.store(true, Ordering::SeqCst);
            kill_tree(pid);
        }
    });
    (done, expired)
}

/// Kills `pid` and all that descends from it, parents first so that none is
/// started anew in between.
pub(crate) fn kill_tree(pid: u32) {
    let parents = parents();
    let mut doomed = vec![pid];
    let mut next = 0;
    while let Some(&parent) = doomed.get(next) {
        doomed.extend(
            parents
                .iter()
                .filter(|(_, up)| **up == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    for pid in doomed {
        let Ok(pid) = i32::try_from(pid) else {
            continue;
        };
        // It may have ended by itself since it was listed.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Every process and its parent.
fn parents() -> HashMap<u32, u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect()
}

/// The fourth field of /proc/PID/stat; the second is a name in parentheses
/// that may hold spaces (proc_pid_stat(5)).
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// How long a pipe may stay open behind its command's end. A process left
/// behind that holds it must not hold us.
const LINGER: Duration = Duration::from_secs(2);

/// Keeps what comes through a pipe.
struct Reader {
    kept: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Reader {
    fn quiet(pipe: impl Read + Send + 'static) -> Self {
        Self::echoing(pipe, std::io::sink())
    }

    /// Shows each line as it comes.
    fn echoing(pipe: impl Read + Send + 'static, mut to: impl Write + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let keep = Arc::clone(&kept);
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                // Our own output may be closed; the child must go on all the same.
                let _ = to.write_all(&line);
                keep.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .append(&mut line);
            }
            drop(end);
        });
        Reader { kept, ended }
    }

    fn end(self) -> Vec<u8> {
        // Either way: the other side's drop, or enough waited.
        let _ = self.ended.recv_timeout(LINGER);
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_child_past_its_limit_is_killed_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 4711 & wait"]);
        let error = output(&mut command, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("killed after"), "{error}");
    }

    #[test]
    fn a_pipe_held_by_what_was_left_behind_does_not_hold_us() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo before; sleep 10 & exit 0"]);
        let started = Instant::now();
        assert_eq!(
            stdout_of(&mut command, Duration::from_secs(20)).unwrap(),
            "before\n"
        );
        assert!(started.elapsed() < LINGER * 3);
    }

    #[test]
    fn a_failure_shows_what_was_printed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo why >&2; exit 3"]);
        let error = stdout_of(&mut command, Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }
}
