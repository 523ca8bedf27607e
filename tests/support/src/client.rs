//! Commands bounded in time. One that hangs is killed and fails its test.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to its standard output, lossy.
    pub stdout: String,
    /// What it wrote to its standard error, lossy.
    pub stderr: String,
}

impl Output {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(
            self.status,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// Standard error of a command that must have failed with `status`.
    #[track_caller]
    pub fn failure(self, status: i32) -> String {
        assert_eq!(
            self.status,
            Some(status),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self.stderr
    }
}

/// Runs `command` to its end without input. Panics when it takes longer than
/// `limit`, after killing it.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Output {
    run_with_input(command, b"", limit)
}

/// Runs `command` to its end with `input` as its whole standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &[u8], limit: Duration) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    feed(&mut child, input);
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let ended = ended_within(&mut child, limit);
    if !ended {
        child.kill().expect("kill a command that hangs");
    }
    let status = child.wait().expect("wait for a command");
    let output = Output {
        status: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    };
    assert!(ended, "{command:?} still ran after {limit:?}: {output:?}");
    output
}

fn feed(child: &mut Child, input: &[u8]) {
    let Some(mut stdin) = child.stdin.take() else {
        return;
    };
    let input = input.to_vec();
    std::thread::spawn(move || {
        // A command may end without reading all of its input.
        let _ = stdin.write_all(&input);
    });
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks ends the output, no more.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(thread: JoinHandle<Vec<u8>>) -> String {
    let bytes = thread.join().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until `condition` holds. Panics after a minute: enough for a slow
/// machine with other work, and less than what kills a test.
#[track_caller]
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "still not so after 60 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for `child`; false when it still runs after `limit`.
pub(crate) fn ended_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    while child.try_wait().expect("wait for a command").is_none() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_goes_in_and_both_outputs_and_the_status_come_out() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo oops >&2; exit 7"]);
        let output = run_with_input(&mut command, b"hello", Duration::from_secs(60));
        assert_eq!(
            output,
            Output {
                status: Some(7),
                stdout: "hello".into(),
                stderr: "oops\n".into()
            }
        );
    }

    #[test]
    #[should_panic(expected = "still ran after")]
    fn a_command_that_hangs_fails_its_test() {
        run(Command::new("sleep").arg("60"), Duration::from_millis(100));
    }
}
