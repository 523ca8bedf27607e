//! One runner process: started, told its components, and killed.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_model::Digest;
use bulkhead_sys::clone::{self, Child, Program};
use bulkhead_sys::pidfd;
use bulkhead_sys::poll::{self, Events};
use bulkhead_sys::{memfd, socket};
use bulkhead_wire::control::{self, MAX_CONTROL, PROTOCOL_VERSION, Start, Started};
use bulkhead_wire::{Channel, World};

use crate::error::HostError;
use crate::manifest::Manifest;

/// How long a runner may take to load its components.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How long a runner's end is waited for before it is called unknown.
const EXIT_PATIENCE: Duration = Duration::from_millis(200);

/// Bytes of one line of the runner's log.
const MAX_LINE: u64 = 4096;

/// signal(7)
const SIGKILL: i32 = 9;

/// How to start runners.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// The executable `bulkhead-sandbox`.
    pub executable: PathBuf,
    /// User and group id of the cell.
    pub uid: u32,
    /// Calls at once.
    pub connections: u32,
}

/// A component's native code, in a sealed memfd.
#[derive(Debug)]
pub struct Code {
    /// The plugin, for messages.
    pub plugin: String,
    /// Its folder.
    pub dir: PathBuf,
    /// The component that was compiled.
    pub digest: Digest,
    /// Its world.
    pub world: World,
    /// Bytes of memory a call may use.
    pub memory: u64,
    file: OwnedFd,
    len: u64,
}

impl Code {
    /// Seals `native`, which must be the compiler's output.
    pub fn new(
        manifest: &Manifest,
        dir: &Path,
        digest: &Digest,
        native: &[u8],
    ) -> Result<Self, HostError> {
        Ok(Self {
            plugin: manifest.name.clone(),
            dir: dir.to_owned(),
            digest: digest.clone(),
            world: manifest.world,
            memory: manifest.memory,
            file: memfd::create_sealed(c"component", native)?,
            len: native.len() as u64,
        })
    }
}

/// Why no runner could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The executable.
    #[error("cannot open {}", .0.display())]
    Executable(PathBuf, #[source] std::io::Error),
    /// A system call.
    #[error(transparent)]
    System(#[from] bulkhead_sys::Error),
    /// A message.
    #[error("the start message: {0}")]
    Message(#[from] bulkhead_wire::ChannelError),
    /// The runner gave up.
    #[error("{0}")]
    Runner(String),
}

/// A process that is, or was, a runner. Dropping it kills it.
#[derive(Debug)]
pub struct Runner {
    child: Child,
    control: OwnedFd,
}

impl Runner {
    /// Starts a process and sends it its components; does not wait for it.
    pub fn spawn(
        config: &RunnerConfig,
        components: &[&Code],
    ) -> Result<(Self, Vec<Channel>), StartError> {
        let (control, runners_control) = socket::seqpacket_pair()?;
        let child = spawn_process(config, &runners_control)?;
        drop(runners_control);
        let runner = Self { child, control };
        let channels = runner.send_start(config, components)?;
        Ok((runner, channels))
    }

    fn send_start(
        &self,
        config: &RunnerConfig,
        components: &[&Code],
    ) -> Result<Vec<Channel>, StartError> {
        let mut channels = Vec::new();
        let mut sockets = Vec::new();
        for _ in 0..config.connections {
            let (ours, runners) = socket::seqpacket_pair()?;
            channels.push(Channel::new(ours));
            sockets.push(runners);
        }
        let start = Start {
            version: PROTOCOL_VERSION,
            connections: config.connections,
            max_memory: components.iter().map(|c| c.memory).max().unwrap_or(1 << 16),
            components: components
                .iter()
                .map(|c| control::Component {
                    world: c.world,
                    len: c.len,
                })
                .collect(),
        };
        let files = components.iter().map(|code| code.file.as_fd());
        let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).chain(files).collect();
        socket::send(&self.control, &control::encode(&start)?, &fds)?;
        Ok(channels)
    }

    /// Waits until it serves calls; the components it refused, and why.
    pub fn wait_ready(&self) -> Result<Vec<(u32, String)>, StartError> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StartError::Runner(format!(
                    "it was not ready within {START_DEADLINE:?}"
                )));
            }
            let wait = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
            let ready = poll::wait(&[(self.control.as_fd(), Events::POLLIN)], Some(wait))?;
            if !ready[0].is_empty() {
                break;
            }
        }
        let mut buffer = vec![0; MAX_CONTROL];
        let received = socket::recv(&self.control, &mut buffer, 0)?;
        if received.len == 0 {
            return Err(StartError::Runner(self.ending()));
        }
        match control::parse(&buffer[..received.len])? {
            Started::Ready { refused, .. } => Ok(refused),
            Started::Failed { reason, .. } => Err(StartError::Runner(reason)),
        }
    }

    /// Ends the process now.
    pub fn kill(&self) {
        let _ = pidfd::send_signal(&self.child.pidfd, SIGKILL);
    }

    /// How it ended, for people; waits a moment for a process that is just dying.
    pub fn ending(&self) -> String {
        let deadline = Instant::now() + EXIT_PATIENCE;
        loop {
            match pidfd::try_wait(&self.child.pidfd) {
                Ok(Some(exit)) => return format!("exit status {}", exit.status()),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                // Still there, or reaped before by somebody else.
                _ => return "it closed its connection".into(),
            }
        }
    }

    /// Its pid in our namespace: that of the process that waits for the cell's.
    pub fn pid(&self) -> u32 {
        self.child.pid
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
        let _ = pidfd::wait(&self.child.pidfd);
    }
}

fn spawn_process(config: &RunnerConfig, control: &OwnedFd) -> Result<Child, StartError> {
    let path = &config.executable;
    let failed = |e| StartError::Executable(path.clone(), e);
    let executable = File::open(path).map_err(failed)?;
    let null = File::open("/dev/null").map_err(failed)?;
    let (log, log_writer) = std::io::pipe().map_err(failed)?;
    let child = clone::spawn(&Program {
        file: executable.as_fd(),
        args: &arguments(c"bulkhead-sandbox", config.uid),
        env: &[],
        cgroup: None,
        descriptors: &[control.as_fd(), null.as_fd(), log_writer.as_fd()],
    })?;
    drop(log_writer);
    let thread = std::thread::Builder::new().name("runner-log".into());
    let _ = thread.stack_size(128 << 10).spawn(move || pass_on(log));
    Ok(child)
}

/// Of a program that takes `--uid`.
pub(crate) fn arguments(name: &CStr, uid: u32) -> [CString; 3] {
    let number = CString::new(uid.to_string()).expect("digits hold no NUL");
    [name.to_owned(), c"--uid".to_owned(), number]
}

/// The runner's words reach our log until it ends.
fn pass_on(log: PipeReader) {
    let mut reader = BufReader::with_capacity(MAX_LINE as usize, log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                tracing::warn!(target: "runner", "{}", text.trim_end());
            }
        }
    }
}
