//! The loop: everything a shim does after its container runs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use bulkhead_model::process::ExitStatus;
use bulkhead_runtime::exit_record;
use bulkhead_runtime::layout::SOCKET;
use bulkhead_runtime::shim_protocol::{Event, Request};
use bulkhead_sys::poll::{self, Events, Interest};
use bulkhead_sys::{pidfd, socket, terminal};

use crate::client::Client;
use crate::clock;
use crate::log::Log;
use crate::output::{CHUNK, Output, Read};
use crate::stdin::Stdin;

/// How long a client may read nothing once the container has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container that runs, or has just ended.
pub(crate) struct Supervisor {
    pub(crate) pid: u32,
    pub(crate) child: OwnedFd,
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) stdin: Stdin,
    pub(crate) outputs: Vec<Output>,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) clients: Vec<Client>,
    pub(crate) listener: Option<UnixListener>,
    pub(crate) log: Option<Log>,
    pub(crate) oom_events: Option<OwnedFd>,
    /// The cgroup of a container without a pid namespace of its own: what the
    /// first process leaves behind in it is killed.
    pub(crate) survivors: Option<OwnedFd>,
    pub(crate) state: OwnedFd,
    /// Sockets that keep published ports from others, closed with us.
    pub(crate) _reserved: Vec<OwnedFd>,
}

/// What an entry of the poll set is.
#[derive(Clone, Copy)]
enum Source {
    Child,
    Listener,
    Stdin,
    Output(usize),
    Client(usize),
}

impl Supervisor {
    /// Relays until the container has ended and everybody has been told.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.exit.is_none() {
            self.turn(None)?;
        }
        self.until_patience_ends(|s| s.outputs.is_empty())?;
        self.record()?;
        self.until_patience_ends(|s| s.clients.iter().all(Client::is_flushed))
    }

    /// Turns until `done`. While nothing moves for too long, clients that
    /// hold it up are dropped.
    fn until_patience_ends(&mut self, done: impl Fn(&Self) -> bool) -> io::Result<()> {
        let mut last = Instant::now();
        while !done(self) {
            if self.turn(Some(PATIENCE))? {
                last = Instant::now();
            } else if last.elapsed() >= PATIENCE {
                self.clients.retain(|client| client.is_flushed());
                last = Instant::now();
            }
        }
        Ok(())
    }

    /// Waits once and handles what is ready; whether anything was.
    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let (sources, interests) = self.interests();
        let ready = poll::wait(&interests, timeout.map(|t| t.as_millis() as u16))?;
        drop(interests);
        let mut any = false;
        for (source, events) in sources.into_iter().zip(ready) {
            if !events.is_empty() {
                any = true;
                self.handle(source, events)?;
            }
        }
        self.drop_gone();
        self.outputs
            .retain(|output| !(output.hung_up && (self.terminal.is_none() || self.exit.is_some())));
        Ok(any)
    }

    fn interests(&self) -> (Vec<Source>, Vec<Interest<'_>>) {
        let mut all: Vec<(Source, Interest<'_>)> = Vec::with_capacity(8);
        if self.exit.is_none() {
            all.push((Source::Child, (self.child.as_fd(), Events::POLLIN)));
        }
        if let Some(listener) = &self.listener {
            all.push((Source::Listener, (listener.as_fd(), Events::POLLIN)));
        }
        if let Some(fd) = self.stdin.interest() {
            all.push((Source::Stdin, (fd, Events::POLLOUT)));
        }
        let held_up = self.clients.iter().any(Client::is_behind);
        for (i, output) in self
            .outputs
            .iter()
            .enumerate()
            .filter(|(_, o)| !held_up && !o.hung_up)
        {
            all.push((Source::Output(i), (output.fd(), Events::POLLIN)));
        }
        for (i, client) in self.clients.iter().enumerate() {
            all.push((
                Source::Client(i),
                (client.fd(), client.interest(self.stdin.has_room())),
            ));
        }
        all.into_iter().unzip()
    }

    fn handle(&mut self, source: Source, events: Events) -> io::Result<()> {
        match source {
            Source::Child => self.reap()?,
            Source::Listener => self.accept(),
            Source::Stdin => self.stdin.flush(),
            Source::Output(i) => {
                self.relay(i);
            }
            Source::Client(i) => self.serve(i, events),
        }
        Ok(())
    }

    /// Everything the container wrote is in its pipes by now: the end of a pid
    /// namespace's first process is that of all others, too.
    fn reap(&mut self) -> io::Result<()> {
        let Some(exit) = pidfd::try_wait(&self.child)? else {
            return Ok(());
        };
        if let Some(cgroup) = &self.survivors {
            // The daemon's clean-up does it again, and says when it cannot.
            let _ = bulkhead_runtime::cgroup::kill(cgroup);
        }
        let oom_killed = self.oom_events.as_ref().is_some_and(saw_oom_kill);
        self.exit = Some(ExitStatus {
            code: exit.status(),
            oom_killed,
            finished_at: clock::now(),
        });
        // What is left behind in a shared pid namespace may hold the pipes
        // for ever; it gets no further than what is in them now.
        self.outputs
            .iter_mut()
            .for_each(|output| output.hung_up = false);
        Ok(())
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let Ok((connection, _)) = listener.accept() else {
            return;
        };
        // The directory's mode says so, too.
        let is_root = socket::peer_credentials(&connection).is_ok_and(|peer| peer.uid == 0);
        if let (true, Ok(client)) = (is_root, Client::new(connection)) {
            self.clients.push(client);
        }
    }

    /// Moves one chunk of output to the log and to everybody who listens.
    fn relay(&mut self, index: usize) {
        let mut buffer = [0; CHUNK];
        let output = &mut self.outputs[index];
        let (count, kind) = match output.read(&mut buffer) {
            Read::Bytes(count) => (count, output.kind),
            Read::Nothing if self.exit.is_none() => return,
            Read::Nothing | Read::End => {
                output.hung_up = true;
                return;
            }
        };
        let bytes = &buffer[..count];
        if let Some(log) = &mut self.log {
            log.append(kind, bytes);
        }
        for client in self.clients.iter_mut().filter(|client| client.subscribed) {
            client.send_output(kind, bytes);
        }
    }

    fn serve(&mut self, index: usize, events: Events) {
        if events.contains(Events::POLLOUT) {
            self.clients[index].flush();
        }
        if !events.intersects(Events::POLLIN | Events::POLLHUP | Events::POLLERR) {
            return;
        }
        for request in self.clients[index].receive() {
            self.obey(index, request);
        }
    }

    fn obey(&mut self, index: usize, request: Request) {
        match request {
            Request::Subscribe => self.clients[index].subscribed = true,
            Request::Stdin(bytes) => self.stdin.push(&bytes),
            Request::CloseStdin => self.stdin.client_ended(),
            Request::Resize { columns, rows } => {
                if let Some(terminal) = &self.terminal {
                    let _ = terminal::resize(terminal, columns, rows);
                }
            }
            // ESRCH: it has ended, which the client will hear of.
            Request::Signal(signal) => drop(pidfd::send_signal(&self.child, signal)),
            Request::GetState => {
                let state = self
                    .exit
                    .map_or(Event::Started { pid: self.pid }, Event::Exited);
                self.clients[index].send(&state);
            }
        }
    }

    fn drop_gone(&mut self) {
        let input_ended = self
            .clients
            .iter()
            .any(|client| client.gone && client.subscribed);
        self.clients.retain(|client| !client.gone);
        if input_ended {
            self.stdin.client_ended();
        }
    }

    /// Log, record, clients, in this order: whoever hears of the exit finds
    /// the record, and whoever finds the record finds the whole log.
    fn record(&mut self) -> io::Result<()> {
        let Some(status) = self.exit else {
            return Ok(());
        };
        if let Some(log) = &mut self.log {
            log.finish();
        }
        let recorded = exit_record::write(&self.state, &status);
        self.listener = None;
        let _ = bulkhead_sys::directory::unlinkat(&self.state, SOCKET);
        for client in &mut self.clients {
            client.send(&Event::Exited(status));
        }
        Ok(recorded?)
    }
}

/// `oom_kill N` is a line of `memory.events` and of version 1's
/// `memory.oom_control`.
fn saw_oom_kill(events: &OwnedFd) -> bool {
    use std::io::Read;
    let Ok(copy) = events.try_clone() else {
        return false;
    };
    let mut text = String::new();
    let _ = std::fs::File::from(copy)
        .take(4096)
        .read_to_string(&mut text);
    text.lines()
        .filter_map(|line| line.strip_prefix("oom_kill "))
        .any(|n| n != "0")
}
