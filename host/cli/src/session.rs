//! One attached container from start to exit: streams, signals, terminal
//! size, exit code.

use std::io;

use bulkhead_api::container::WaitResponse;
use bulkhead_api::query::{AttachQuery, Condition, KillQuery, ResizeQuery, StartQuery, WaitQuery};
use bulkhead_api::route::Route;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::attach::{self, Transfer, Wiring};
use crate::client::{Call, Client};
use crate::detach::DetachKeys;
use crate::error::{Error, Result};
use crate::terminal::{self, RawMode};

/// What is attached.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    /// Pass signals on to the container.
    pub(crate) proxy_signals: bool,
    /// As the user typed them, or empty.
    pub(crate) detach_keys: String,
    /// The container is removed when it ends.
    pub(crate) auto_remove: bool,
}

/// Attaches to a created container, starts it and gives its exit code. The
/// connections for output and exit status stand before it starts, so that
/// neither can be missed.
pub(crate) async fn run(client: &Client, id: &str, attachment: &Attachment) -> Result<u8> {
    let wiring = attachment.wiring()?;
    let condition = if attachment.auto_remove {
        Condition::Removed
    } else {
        Condition::NextExit
    };
    let wait = Call::new(Route::ContainerWait(id.to_owned())).params(&WaitQuery { condition });
    let attach = Call::new(Route::ContainerAttach(id.to_owned())).params(&attachment.query());
    let (connection, status) = tokio::try_join!(client.hijack(attach), client.stream(wait))?;
    let raw = enter_raw_mode(&wiring)?;
    let transfer =
        attach::start(connection, wiring).map_err(io_error("attach to the container"))?;
    let mut signals = Signals::register(attachment).map_err(io_error("listen for signals"))?;
    let start = StartQuery {
        detach_keys: attachment.detach_keys.clone(),
    };
    let started = client
        .run(Call::new(Route::ContainerStart(id.to_owned())).params(&start))
        .await;
    if let Err(error) = started {
        drop(raw);
        if attachment.auto_remove {
            // As docker: answer only when the container is gone, whatever its status.
            let _ = exit_status(status).await;
        }
        return Err(error);
    }
    if attachment.tty {
        resize(client, id).await;
    }
    let end = follow(client, id, transfer, &mut signals).await?;
    drop(raw);
    match end {
        End::Detached => Ok(0),
        End::Signal(number) => Ok(128 + number),
        End::Output => exit_status(status).await,
    }
}

enum End {
    /// The container's output has ended, so it is about to.
    Output,
    /// The user typed the detach keys.
    Detached,
    /// A signal that is ours: with a terminal they are not passed on.
    Signal(u8),
}

async fn follow(
    client: &Client,
    id: &str,
    transfer: Transfer,
    signals: &mut Signals,
) -> Result<End> {
    let Transfer {
        mut output,
        mut detached,
    } = transfer;
    let mut may_detach = true;
    loop {
        tokio::select! {
            done = &mut output => {
                // A closed channel means that the thread is gone, as the output is.
                done.unwrap_or(Ok(())).map_err(io_error("copy the container's output"))?;
                return Ok(End::Output);
            }
            keys = &mut detached, if may_detach => match keys {
                Ok(()) => return Ok(End::Detached),
                Err(_) => may_detach = false,
            },
            caught = signals.next() => match caught {
                Caught::Resize => resize(client, id).await,
                Caught::Signal(name, _) if signals.proxy => kill(client, id, name).await,
                Caught::Signal(_, number) => return Ok(End::Signal(number)),
            },
        }
    }
}

async fn exit_status(body: Incoming) -> Result<u8> {
    let answer: WaitResponse = bulkhead_api::json::decode(&body.collect().await?.to_bytes())?;
    match answer.error {
        Some(error) => {
            eprintln!("Error waiting for container: {}", error.message);
            Ok(125)
        }
        // Exit codes have eight bits (wait(2)).
        None => Ok((answer.status_code & 0xff) as u8),
    }
}

/// Best effort, as the container may have ended or the terminal may be gone.
async fn resize(client: &Client, id: &str) {
    if let Some((height, width)) = terminal::size() {
        let size = ResizeQuery { height, width };
        let _ = client
            .run(Call::new(Route::ContainerResize(id.to_owned())).params(&size))
            .await;
    }
}

/// Best effort, as the container may have ended.
async fn kill(client: &Client, id: &str, signal: &str) {
    let query = KillQuery {
        signal: signal.to_owned(),
    };
    let _ = client
        .run(Call::new(Route::ContainerKill(id.to_owned())).params(&query))
        .await;
}

fn enter_raw_mode(wiring: &Wiring) -> Result<Option<RawMode>> {
    let wanted = wiring.tty && wiring.stdin && terminal::stdin_is_terminal();
    wanted
        .then(RawMode::enter)
        .transpose()
        .map_err(io_error("set the terminal to raw mode"))
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { doing, source }
}

impl Attachment {
    fn wiring(&self) -> Result<Wiring> {
        let keys = match self.detach_keys.as_str() {
            "" => DetachKeys::default(),
            text => text
                .parse()
                .map_err(|error: crate::detach::InvalidKeys| Error::Option(error.to_string()))?,
        };
        Ok(Wiring {
            tty: self.tty,
            stdin: self.stdin,
            keys,
        })
    }

    fn query(&self) -> AttachQuery {
        AttachQuery {
            stream: true,
            logs: false,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
            detach_keys: self.detach_keys.clone(),
        }
    }
}

enum Caught {
    Resize,
    Signal(&'static str, u8),
}

/// Signals this process listens for: those to pass on, or, with a terminal,
/// those that must restore it first.
struct Signals {
    proxy: bool,
    caught: Vec<(&'static str, u8, Signal)>,
    resized: Option<Signal>,
}

impl Signals {
    fn register(attachment: &Attachment) -> io::Result<Self> {
        let proxy = attachment.proxy_signals && !attachment.tty;
        let proxied: &[(&str, SignalKind)] = &[
            ("HUP", SignalKind::hangup()),
            ("INT", SignalKind::interrupt()),
            ("QUIT", SignalKind::quit()),
            ("TERM", SignalKind::terminate()),
            ("USR1", SignalKind::user_defined1()),
            ("USR2", SignalKind::user_defined2()),
        ];
        let ending: &[(&str, SignalKind)] = &[
            ("HUP", SignalKind::hangup()),
            ("TERM", SignalKind::terminate()),
        ];
        let kinds = match (proxy, attachment.tty) {
            (true, _) => proxied,
            (false, true) => ending,
            (false, false) => &[],
        };
        let listen = |(name, kind): &(&'static str, SignalKind)| {
            Ok((
                *name,
                u8::try_from(kind.as_raw_value()).unwrap_or_default(),
                signal(*kind)?,
            ))
        };
        let caught = kinds.iter().map(listen).collect::<io::Result<_>>()?;
        let resized = attachment
            .tty
            .then(|| signal(SignalKind::window_change()))
            .transpose()?;
        Ok(Self {
            proxy,
            caught,
            resized,
        })
    }

    async fn next(&mut self) -> Caught {
        std::future::poll_fn(|context| {
            use std::task::Poll::{Pending, Ready};
            for (name, number, signal) in &mut self.caught {
                if signal.poll_recv(context).is_ready() {
                    return Ready(Caught::Signal(name, *number));
                }
            }
            let resized = self
                .resized
                .as_mut()
                .is_some_and(|resized| resized.poll_recv(context).is_ready());
            if resized {
                Ready(Caught::Resize)
            } else {
                Pending
            }
        })
        .await
    }
}
