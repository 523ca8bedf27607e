//! The runner's start, from an ordinary root process to a sealed one.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Barrier};

use bulkhead_sys::socket;
use bulkhead_wire::control::{
    self, MAX_CONTROL, MAX_DESCRIPTORS, PROTOCOL_VERSION, Start, Started,
};
use bulkhead_wire::{Channel, ChannelError};

use crate::confine::{self, Bounds, ConfineError};
use crate::load::{self, Loaded};
use crate::serve::Runner;
use crate::ticker::Ticker;
use crate::{call, engine};

/// The guest's stack and as much again for the host's frames around it.
const THREAD_STACK: usize = 2 * engine::GUEST_STACK;

/// Calls a runner serves at once, at most.
const MAX_CONNECTIONS: u32 = 64;

/// What the process needs beside the guests' memories: code, heap, stacks.
const OWN_MEMORY: u64 = 512 << 20;

/// The runner cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The control socket failed.
    #[error("cannot read the start message")]
    Control(#[source] bulkhead_sys::Error),
    /// The start message cannot be read.
    #[error("cannot understand the start message")]
    Message(#[source] ChannelError),
    /// The broker is of another version.
    #[error(
        "the broker speaks version {0} of the protocol, this runner version {PROTOCOL_VERSION}"
    )]
    Version(u32),
    /// The number of descriptors does not fit the message.
    #[error("the start message brought {got} descriptors instead of {expected}")]
    Descriptors {
        /// What the message says.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// wasmtime refuses its configuration, such as for want of address space.
    #[error("cannot make the engine: {0}")]
    Engine(String),
    /// The cell could not be made.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// No thread.
    #[error("cannot make a thread")]
    Thread(#[source] std::io::Error),
}

/// Runs until the broker is gone; the exit code.
pub fn run(control: OwnedFd, uid: u32) -> i32 {
    let mut buffer = vec![0; MAX_CONTROL];
    let started = receive(&control, &mut buffer).and_then(|(start, fds)| prepare(&start, fds, uid));
    let (answer, code) = match started {
        Ok(refused) => (ready(refused), 0),
        Err(error) => (failed(&error), 1),
    };
    // sendmsg and recvmsg, which can carry descriptors, are not to be had any more.
    let control = UnixDatagram::from(control);
    // A broker that is gone needs no answer.
    let _ = control::encode(&answer).map(|bytes| control.send(&bytes));
    if code == 0 {
        let _ = control.recv(&mut buffer[..1]);
    }
    code
}

fn ready(refused: Vec<(u32, String)>) -> Started {
    Started::Ready {
        version: PROTOCOL_VERSION,
        refused,
    }
}

fn failed(error: &StartError) -> Started {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Started::Failed {
        version: PROTOCOL_VERSION,
        reason,
    }
}

fn receive(control: &OwnedFd, buffer: &mut [u8]) -> Result<(Start, Vec<OwnedFd>), StartError> {
    let received =
        socket::recv(control.as_fd(), buffer, MAX_DESCRIPTORS).map_err(StartError::Control)?;
    let start: Start = control::parse(&buffer[..received.len]).map_err(StartError::Message)?;
    if start.version != PROTOCOL_VERSION {
        return Err(StartError::Version(start.version));
    }
    let expected = start.connections as usize + start.components.len();
    if received.fds.len() != expected || start.connections > MAX_CONNECTIONS {
        let got = received.fds.len();
        return Err(StartError::Descriptors { expected, got });
    }
    Ok((start, received.fds))
}

/// The security argument of the runner, in order.
fn prepare(
    start: &Start,
    mut fds: Vec<OwnedFd>,
    uid: u32,
) -> Result<Vec<(u32, String)>, StartError> {
    confine::enter()?;
    let code = fds.split_off(start.connections as usize);
    let engine = engine::for_running(start.connections, start.max_memory as usize)
        .map_err(|e| StartError::Engine(format!("{e:#}")))?;
    let (components, refused) = load_all(&engine, start, code);
    confine::drop_privileges(uid)?;
    confine::die_with_keeper()?;
    let runner = Arc::new(Runner {
        engine,
        components,
        ticker: Arc::new(Ticker::default()),
    });
    let threads = fds.len() + 1;
    let gate = Arc::new(Gate {
        arrived: Barrier::new(threads + 1),
        sealed: Barrier::new(threads + 1),
    });
    spawn_threads(&runner, fds, &gate)?;
    // The C library's part of a thread's start needs calls that go now.
    gate.arrived.wait();
    confine::seal(bounds(start))?;
    gate.sealed.wait();
    Ok(refused)
}

/// Holds the threads until the filter is loaded.
struct Gate {
    arrived: Barrier,
    sealed: Barrier,
}

impl Gate {
    fn pass(&self) {
        self.arrived.wait();
        self.sealed.wait();
    }
}

type LoadedAll = (Vec<Option<Loaded>>, Vec<(u32, String)>);

fn load_all(engine: &wasmtime::Engine, start: &Start, code: Vec<OwnedFd>) -> LoadedAll {
    let mut refused = Vec::new();
    let mut components = Vec::with_capacity(code.len());
    for (index, (component, fd)) in start.components.iter().zip(code).enumerate() {
        match load::load(engine, component.world, fd, component.len) {
            Ok(loaded) => components.push(Some(loaded)),
            Err(error) => {
                refused.push((index as u32, format!("{error:#}")));
                components.push(None);
            }
        }
    }
    (components, refused)
}

fn spawn_threads(
    runner: &Arc<Runner>,
    sockets: Vec<OwnedFd>,
    gate: &Arc<Gate>,
) -> Result<(), StartError> {
    for socket in sockets {
        let (runner, gate) = (Arc::clone(runner), Arc::clone(gate));
        spawn("call", move || {
            gate.pass();
            runner.serve(Channel::new(socket));
        })?;
    }
    let (runner, gate) = (Arc::clone(runner), Arc::clone(gate));
    spawn("ticker", move || {
        gate.pass();
        runner.ticker.run(&runner.engine)
    })
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<(), StartError> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(THREAD_STACK);
    thread.spawn(body).map(drop).map_err(StartError::Thread)
}

fn bounds(start: &Start) -> Bounds {
    let calls = u64::from(start.connections);
    let guests = calls * (start.max_memory + call::LIFTED_BYTES as u64);
    Bounds {
        address_space: engine::reserved(start.connections) + guests + 4 * OWN_MEMORY,
        data: guests + OWN_MEMORY,
        cpu_seconds: None,
    }
}
