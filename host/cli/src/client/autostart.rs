//! Starting a daemon when none answers on the default socket.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;

/// How long a daemon may take until it answers.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(5);
/// How much of its log an error shows.
const LOG_TAIL: usize = 10;

/// No daemon could be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AutostartError {
    #[error(
        "no bulkhead daemon answers at unix://{0}, and starting one takes root\nTry again with sudo, or start one with: sudo bulkhead daemon"
    )]
    NotRoot(PathBuf),
    #[error("cannot prepare {path} to start the daemon: {source}")]
    Prepare { path: PathBuf, source: io::Error },
    #[error("cannot start the daemon: {0}")]
    Spawn(io::Error),
    #[error("the daemon ended as it started ({status}){log}")]
    Ended {
        status: std::process::ExitStatus,
        log: LogTail,
    },
    #[error("the daemon was started but did not answer at unix://{path} within {} seconds{log}", DEADLINE.as_secs())]
    Silent { path: PathBuf, log: LogTail },
}

/// The last lines of the daemon's log.
#[derive(Debug)]
pub(crate) struct LogTail {
    path: PathBuf,
    lines: Vec<String>,
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\nIts log is {}", self.path.display())?;
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Starts a daemon of its own session and connects to it. Of several clients
/// that come at once, one starts it and the others wait for it.
pub(super) async fn start_and_connect(socket: &Path) -> Result<UnixStream, AutostartError> {
    if !rustix::process::geteuid().is_root() {
        return Err(AutostartError::NotRoot(socket.to_owned()));
    }
    let dir = socket.parent().unwrap_or(Path::new("/"));
    let _lock = lock(dir)?;
    if let Ok(stream) = UnixStream::connect(socket).await {
        return Ok(stream);
    }
    let mut log = Log::open(dir)?;
    let mut child = spawn(&log)?;
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if let Ok(stream) = UnixStream::connect(socket).await {
            return Ok(stream);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(AutostartError::Ended {
                status,
                log: log.tail(),
            });
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Err(AutostartError::Silent {
        path: socket.to_owned(),
        log: log.tail(),
    })
}

fn lock(dir: &Path) -> Result<File, AutostartError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| AutostartError::Prepare { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
        .map_err(at(dir))?;
    let path = dir.join("start.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

/// Runs `bulkhead daemon-session`, which becomes the daemon in a session of
/// its own, so that neither a hangup nor Ctrl-C of this terminal reaches it.
fn spawn(log: &Log) -> Result<Child, AutostartError> {
    let output = || log.file.try_clone().map_err(AutostartError::Spawn);
    let this = std::env::current_exe().map_err(AutostartError::Spawn)?;
    Command::new(this)
        .arg(crate::commands::daemon::SESSION_VERB)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output()?)
        .stderr(output()?)
        .spawn()
        .map_err(AutostartError::Spawn)
}

struct Log {
    path: PathBuf,
    file: File,
    /// Where this start's lines begin.
    start: u64,
}

impl Log {
    fn open(dir: &Path) -> Result<Self, AutostartError> {
        let path = dir.join("bulkheadd.log");
        let open = || -> io::Result<(File, u64)> {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .mode(0o600)
                .open(&path)?;
            let start = file.metadata()?.len();
            Ok((file, start))
        };
        match open() {
            Ok((file, start)) => Ok(Self { path, file, start }),
            Err(source) => Err(AutostartError::Prepare { path, source }),
        }
    }

    fn tail(&mut self) -> LogTail {
        let mut text = Vec::new();
        // A log that cannot be read leaves its path to look at.
        let _ = self
            .file
            .seek(SeekFrom::Start(self.start))
            .and_then(|_| self.file.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        LogTail {
            path: self.path.clone(),
            lines: lines[lines.len().saturating_sub(LOG_TAIL)..].to_vec(),
        }
    }
}
