//! The streams of an attached container. Bytes are moved by two plain
//! threads, so that a slow reader of ours never holds up signals.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::thread;

use bulkhead_api::stream::{Demux, Stream};
use tokio::sync::oneshot;

use crate::client::{Hijacked, SendHalf};
use crate::detach::DetachKeys;

const BUFFER: usize = 64 << 10;

/// What to do with a hijacked connection.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    /// The stream is a terminal's: no frames, and detach keys count.
    pub(crate) tty: bool,
    /// Send standard input.
    pub(crate) stdin: bool,
    pub(crate) keys: DetachKeys,
}

/// A running transfer.
pub(crate) struct Transfer {
    /// Resolves when the container's output has ended.
    pub(crate) output: oneshot::Receiver<io::Result<()>>,
    /// Resolves when the user typed the detach keys; fails otherwise.
    pub(crate) detached: oneshot::Receiver<()>,
}

/// Starts moving bytes.
pub(crate) fn start(connection: Hijacked, wiring: Wiring) -> io::Result<Transfer> {
    let (receive, send) = connection.split()?;
    let (output_done, output) = oneshot::channel();
    let (detach, detached) = oneshot::channel();
    let mut sink = Sink::new(wiring.tty)?;
    thread::Builder::new()
        .name("output".into())
        .spawn(move || {
            // Nobody waits for it any more once the user has detached.
            let _ = output_done.send(copy_output(receive, &mut sink));
        })?;
    if wiring.stdin {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let keys = wiring.tty.then_some(wiring.keys);
        thread::Builder::new().name("input".into()).spawn(move || {
            if copy_input(input, send, keys) {
                let _ = detach.send(());
            }
        })?;
    }
    Ok(Transfer { output, detached })
}

/// Where output goes: frames are told apart unless a terminal made it.
pub(crate) struct Sink {
    stdout: File,
    stderr: File,
    demux: Option<Demux>,
}

impl Sink {
    pub(crate) fn new(tty: bool) -> io::Result<Self> {
        Ok(Self {
            stdout: File::from(io::stdout().as_fd().try_clone_to_owned()?),
            stderr: File::from(io::stderr().as_fd().try_clone_to_owned()?),
            demux: (!tty).then(Demux::default),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(demux) = &mut self.demux else {
            return self.stdout.write_all(bytes);
        };
        let mut written = Ok(());
        let fed = demux.feed(bytes, |stream, part| {
            if written.is_ok() {
                written = match stream {
                    Stream::Stdin | Stream::Stdout => self.stdout.write_all(part),
                    Stream::Stderr | Stream::System => self.stderr.write_all(part),
                };
            }
        });
        fed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        written
    }
}

fn copy_output(mut from: impl Read, sink: &mut Sink) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            // The daemon closes hard when the container is gone.
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(n) => sink.write(&buffer[..n])?,
        }
    }
}

/// Sends input until it ends, true if the detach keys ended it. The
/// container no longer reading is an ordinary end.
fn copy_input(mut from: File, mut to: SendHalf, mut keys: Option<DetachKeys>) -> bool {
    let mut buffer = vec![0; BUFFER];
    let mut passed = Vec::new();
    loop {
        let typed = match from.read(&mut buffer) {
            Ok(0) => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return false,
            Ok(n) => &buffer[..n],
        };
        passed.clear();
        let (bytes, detached) = match &mut keys {
            None => (typed, false),
            Some(keys) => {
                let detached = keys.filter(typed, &mut passed);
                (passed.as_slice(), detached)
            }
        };
        if to.write_all(bytes).is_err() {
            return false;
        }
        if detached {
            to.leave_open();
            return true;
        }
    }
}
