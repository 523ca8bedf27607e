//! One attached container from start to exit: streams, signals, terminal
//! size, exit code.

use std::io;

use bulkhead_api::container::WaitResponse;
use bulkhead_api::exec::{ExecInspect, ExecStartConfig};
use bulkhead_api::query::{AttachQuery, Condition, KillQuery, ResizeQuery, StartQuery, WaitQuery};
use bulkhead_api::route::Route;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::attach::{self, Transfer, Wiring};
use crate::client::{Call, Client, Hijacked};
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
    let target = Target::Container(id.to_owned());
    if attachment.tty {
        target.resize(client, terminal::size()).await;
    }
    let end = follow(client, &target, transfer, &mut signals).await?;
    drop(raw);
    match end {
        End::Detached => Ok(0),
        End::Signal(number) => Ok(128 + number),
        End::Output => exit_status(status).await,
    }
}

/// Attaches to a running container and gives its exit code.
pub(crate) async fn attach(client: &Client, id: &str, attachment: &Attachment) -> Result<u8> {
    let wait = Call::new(Route::ContainerWait(id.to_owned())).params(&WaitQuery::default());
    let call = Call::new(Route::ContainerAttach(id.to_owned())).params(&attachment.query());
    let (connection, status) = tokio::try_join!(client.hijack(call), client.stream(wait))?;
    let target = Target::Container(id.to_owned());
    if let Some((rows, columns)) = terminal::size().filter(|_| attachment.tty) {
        // Another size first: a program that is told its own size again does
        // not draw its screen for the newcomer.
        let other = (rows.saturating_add(1), columns.saturating_add(1));
        target.resize(client, Some(other)).await;
    }
    match join(client, &target, connection, attachment).await? {
        End::Detached => Err(Error::Conflict("read escape sequence")),
        End::Signal(number) => Ok(128 + number),
        End::Output => exit_status(status).await,
    }
}

/// Starts a created exec, attached, and gives its exit code.
pub(crate) async fn exec(client: &Client, id: &str, attachment: &Attachment) -> Result<u8> {
    let start = ExecStartConfig {
        tty: attachment.tty,
        console_size: attachment.console_size(),
        ..ExecStartConfig::default()
    };
    let call = Call::new(Route::ExecStart(id.to_owned())).json(&start);
    let connection = client.hijack(call).await?;
    let target = Target::Exec(id.to_owned());
    match join(client, &target, connection, attachment).await? {
        End::Detached => Err(Error::Conflict("read escape sequence")),
        End::Signal(number) => Ok(128 + number),
        End::Output => {
            let call = Call::new(Route::ExecInspect(id.to_owned()));
            let exec: ExecInspect = client.json(call).await?;
            // Exit codes have eight bits (wait(2)).
            Ok((exec.exit_code.unwrap_or_default() & 0xff) as u8)
        }
    }
}

/// Moves bytes and follows the terminal until one side ends.
async fn join(
    client: &Client,
    target: &Target,
    connection: Hijacked,
    attachment: &Attachment,
) -> Result<End> {
    let wiring = attachment.wiring()?;
    let raw = enter_raw_mode(&wiring)?;
    let transfer = attach::start(connection, wiring).map_err(io_error("attach"))?;
    let mut signals = Signals::register(attachment).map_err(io_error("listen for signals"))?;
    if attachment.tty {
        target.resize(client, terminal::size()).await;
    }
    let end = follow(client, target, transfer, &mut signals).await;
    drop(raw);
    end
}

/// Whose streams are attached.
enum Target {
    Container(String),
    Exec(String),
}

impl Target {
    /// Best effort, as the process may have ended or the terminal may be gone.
    async fn resize(&self, client: &Client, size: Option<(u16, u16)>) {
        let Some((height, width)) = size else { return };
        let route = match self {
            Target::Container(id) => Route::ContainerResize(id.clone()),
            Target::Exec(id) => Route::ExecResize(id.clone()),
        };
        let call = Call::new(route).params(&ResizeQuery { height, width });
        let _ = client.run(call).await;
    }

    /// Best effort, as the container may have ended.
    async fn kill(&self, client: &Client, signal: &str) {
        let Target::Container(id) = self else { return };
        let query = KillQuery {
            signal: signal.to_owned(),
        };
        let call = Call::new(Route::ContainerKill(id.clone())).params(&query);
        let _ = client.run(call).await;
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
    target: &Target,
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
                Caught::Resize => target.resize(client, terminal::size()).await,
                Caught::Signal(name, _) if signals.proxy => target.kill(client, name).await,
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

    /// Rows and columns of the terminal that the process is to have.
    pub(crate) fn console_size(&self) -> Option<[u32; 2]> {
        let size = terminal::size().filter(|_| self.tty);
        size.map(|(rows, columns)| [rows.into(), columns.into()])
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
