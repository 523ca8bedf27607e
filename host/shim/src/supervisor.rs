//! The loop: everything a shim does after its process runs.
//!
//! Output goes to the log and to every attached client, in order. It waits for
//! the slowest of them, as a pipe waits for its reader: nothing is lost, and
//! nothing piles up. But one that takes nothing for [`PATIENCE`] while others
//! wait with it is let go, and so is one that holds up the end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use bulkhead_model::process::ExitStatus;
use bulkhead_runtime::exit_record;
use bulkhead_runtime::layout::SOCKET;
use bulkhead_runtime::order::AttachOrder;
use bulkhead_runtime::shim_protocol::{Event, Request};
use bulkhead_sys::poll::{self, Events, Interest};
use bulkhead_sys::{pidfd, socket, terminal};

use crate::attached::Attached;
use crate::clock;
use crate::control::Control;
use crate::log::Log;
use crate::output::{Chunk, Output, Read};
use crate::stdin::Stdin;

/// How long a client may read nothing while somebody else waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pieces of one stream moved before the others are looked at.
const TURN: usize = 16;

/// A process that runs, or has just ended.
pub(crate) struct Supervisor {
    pub(crate) pid: u32,
    pub(crate) child: OwnedFd,
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) stdin: Stdin,
    pub(crate) outputs: Vec<Output>,
    pub(crate) chunk: Chunk,
    /// When a client that was waited for last took something.
    pub(crate) moved: Instant,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) attached: Vec<Attached>,
    pub(crate) controls: Vec<Control>,
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
    Attached(usize),
    Control(usize),
}

impl Supervisor {
    /// Relays until the process has ended and everybody has been told.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.exit.is_none() {
            self.turn()?;
        }
        self.moved = Instant::now();
        self.drain()?;
        self.record()?;
        // A daemon that is stopped hears of it by the record.
        let until = Instant::now() + PATIENCE;
        while self.is_waited_for(until) {
            self.turn()?;
            self.let_served_go();
        }
        Ok(())
    }

    /// Relays what was in the pipes when the process ended. What it left
    /// behind, which gets no further, may hold them open for ever.
    fn drain(&mut self) -> io::Result<()> {
        while !self.outputs.is_empty() {
            if self.is_held_up() {
                self.turn()?;
            } else {
                (0..self.outputs.len()).for_each(|index| self.relay(index));
                self.drop_ended();
            }
        }
        Ok(())
    }

    fn drop_ended(&mut self) {
        let reopens = self.terminal.is_some() && self.exit.is_none();
        self.outputs.retain(|output| !output.hung_up || reopens);
    }

    fn is_waited_for(&self, until: Instant) -> bool {
        let tell = !self.controls.iter().all(Control::is_flushed) && Instant::now() < until;
        tell || !self.attached.is_empty()
    }

    fn let_served_go(&mut self) {
        for client in self.attached.extract_if(.., |client| !client.is_behind()) {
            client.close();
        }
    }

    /// Waits once and handles what is ready.
    fn turn(&mut self) -> io::Result<()> {
        self.take_early_input();
        let (sources, interests) = self.interests();
        let ready = poll::wait(&interests, self.timeout())?;
        drop(interests);
        for (source, events) in sources.into_iter().zip(ready) {
            if !events.is_empty() {
                self.handle(source, events)?;
            }
        }
        self.drop_stalled();
        self.drop_gone();
        self.drop_ended();
        Ok(())
    }

    fn is_held_up(&self) -> bool {
        self.attached.iter().any(Attached::is_behind)
    }

    /// A client alone may take its time, as long as the process runs.
    fn others_wait(&self) -> bool {
        let listeners = self.attached.iter().filter(|client| client.listens());
        self.is_held_up() && (self.exit.is_some() || listeners.count() > 1)
    }

    /// Milliseconds after which something is to be done although nothing is ready.
    fn timeout(&self) -> Option<u16> {
        if !self.others_wait() {
            return self.exit.map(|_| 1000);
        }
        let left = PATIENCE.saturating_sub(self.moved.elapsed());
        Some(left.as_millis() as u16 + 1)
    }

    fn drop_stalled(&mut self) {
        if self.others_wait() && self.moved.elapsed() >= PATIENCE {
            self.attached.retain(|client| !client.is_behind());
        }
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
        let held_up = self.is_held_up();
        for (i, output) in self
            .outputs
            .iter()
            .enumerate()
            .filter(|(_, o)| !held_up && !o.hung_up)
        {
            all.push((Source::Output(i), (output.fd(), Events::POLLIN)));
        }
        let room = self.stdin.has_room();
        for (i, client) in self.attached.iter().enumerate() {
            if let Some(events) = client.interest(room) {
                all.push((Source::Attached(i), (client.fd(), events)));
            }
        }
        for (i, control) in self.controls.iter().enumerate() {
            all.push((Source::Control(i), (control.fd(), control.interest())));
        }
        all.into_iter().unzip()
    }

    fn handle(&mut self, source: Source, events: Events) -> io::Result<()> {
        match source {
            Source::Child => self.reap()?,
            Source::Listener => self.accept(),
            Source::Stdin => self.stdin.flush(),
            Source::Output(i) => self.relay(i),
            Source::Attached(i) => self.serve(i, events),
            Source::Control(i) => self.heed(i, events),
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
        self.outputs.iter_mut().for_each(Output::end_soon);
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
        if let (true, Ok(control)) = (is_root, Control::new(connection)) {
            self.controls.push(control);
        }
    }

    /// Moves output to the log and to everybody who listens.
    fn relay(&mut self, index: usize) {
        self.relay_pieces(index);
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// As long as all of them keep up, and there is some.
    fn relay_pieces(&mut self, index: usize) {
        for _ in 0..TURN {
            // Another stream of the same turn may have made somebody late.
            if self.is_held_up() {
                return;
            }
            let output = &mut self.outputs[index];
            match output.read(&mut self.chunk) {
                Read::Bytes => {}
                Read::Nothing if self.exit.is_none() => return,
                Read::Nothing | Read::End => {
                    output.hung_up = true;
                    return;
                }
            }
            if let Some(log) = &mut self.log {
                log.append(self.chunk.stream, self.chunk.payload());
            }
            for client in &mut self.attached {
                client.offer(&self.chunk);
            }
            self.moved = Instant::now();
        }
    }

    fn serve(&mut self, index: usize, events: Events) {
        let client = &mut self.attached[index];
        if events.contains(Events::POLLOUT) {
            client.flush(&self.chunk);
            self.moved = Instant::now();
        }
        // Another client of the same turn may have filled the buffer.
        if events.contains(Events::POLLIN) && self.stdin.has_room() {
            self.stdin.take(client);
        }
        if events.intersects(Events::POLLHUP | Events::POLLERR) {
            client.hung_up();
        }
        self.after_input(index);
    }

    /// What clients had sent before they were handed over.
    fn take_early_input(&mut self) {
        for index in 0..self.attached.len() {
            while self.stdin.has_room() && self.attached[index].has_early_input() {
                self.stdin.take(&mut self.attached[index]);
            }
        }
    }

    fn after_input(&mut self, index: usize) {
        let client = &self.attached[index];
        if client.close_stdin && client.input_has_ended() {
            self.stdin.end();
        }
    }

    fn heed(&mut self, index: usize, events: Events) {
        if events.contains(Events::POLLOUT) {
            self.controls[index].flush();
        }
        if !events.intersects(Events::POLLIN | Events::POLLHUP | Events::POLLERR) {
            return;
        }
        for request in self.controls[index].receive() {
            self.obey(index, request);
        }
    }

    fn obey(&mut self, index: usize, request: Request) {
        match request {
            Request::Attach(order) => self.attach(index, order),
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
                self.controls[index].send(&state);
            }
        }
    }

    fn attach(&mut self, index: usize, order: AttachOrder) {
        let Some(socket) = self.controls[index].take_descriptor() else {
            return;
        };
        // It fails for what is no descriptor of a socket: then it is closed.
        self.attached.extend(Attached::new(order, socket));
        self.moved = Instant::now();
    }

    fn drop_gone(&mut self) {
        self.controls.retain(|control| !control.gone);
        let mut detached = 0;
        for client in self.attached.extract_if(.., |client| client.is_gone()) {
            detached += usize::from(client.has_detached());
            client.close();
        }
        for _ in 0..detached {
            for control in &mut self.controls {
                control.send(&Event::Detached);
            }
        }
    }

    /// Log, record, daemon, clients, in this order: whoever hears of the exit
    /// finds the record, and whoever finds the record finds the whole log.
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
        for control in &mut self.controls {
            control.send(&Event::Exited(status));
        }
        self.let_served_go();
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
