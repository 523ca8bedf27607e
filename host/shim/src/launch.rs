//! From the order to a running child.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use bulkhead_model::process::StartFailure;
use bulkhead_runtime::init::{self, Descriptors, Joining, Report};
use bulkhead_runtime::layout::SOCKET;
use bulkhead_runtime::order::{self, Join, Role, StartOrder};
use bulkhead_runtime::shim_protocol::{Event, Message};
use bulkhead_sys::clone::{Child, fork_into};
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::proc_path;
use bulkhead_sys::{poll, socket};

use crate::attached::Attached;
use crate::control::Control;
use crate::log::Log;
use crate::output::{CHUNK, Chunk, LOGGED_CHUNK, Output, Stream};
use crate::stdin::Stdin;
use crate::supervisor::Supervisor;

/// Our ends of the container's standard streams.
struct Ends {
    stdin: Option<OwnedFd>,
    outputs: Vec<Output>,
    terminal: Option<OwnedFd>,
}

/// Receives the order and starts the container; `None` when it could not be
/// started, which the daemon has then been told.
pub(crate) fn launch(connection: UnixStream) -> io::Result<Option<Supervisor>> {
    let (order, fds) = order::receive(&connection)?;
    let mut given = Given::sort(&order, fds);
    for tasks in given.all(|r| *r == Role::ShimTasks) {
        // The daemon's own cgroup ends with its service.
        poll::write(&tasks, b"0")?;
    }
    let state = given.one(&Role::State)?;
    let listener = listen(&state)?;
    let log = match &order.log {
        Some(settings) => Some(Log::open(given.one(&Role::Logs)?, settings.clone())?),
        None => None,
    };
    let attached = clients(&mut given)?;
    let oom_events = given.one(&Role::OomEvents).ok();
    let freezer = given.one(&Role::Freezer).ok();
    let unified = given.one(&Role::Cgroup).ok();
    let started = match order.join {
        None => start_child(&order, &mut given, unified.as_ref(), &connection)?,
        Some(join) => join_child(&order, join, &mut given, unified.as_ref(), &connection)?,
    };
    let (child, ends) = match started {
        Ok(started) => started,
        Err(failure) => {
            tell(&connection, &Event::StartFailed(failure));
            return Ok(None);
        }
    };
    tell(&connection, &Event::Started { pid: child.pid });
    Ok(Some(Supervisor {
        pid: child.pid,
        child: child.pidfd,
        exit: None,
        stdin: Stdin::new(ends.stdin),
        outputs: ends.outputs,
        chunk: Chunk::new(if log.is_some() { LOGGED_CHUNK } else { CHUNK }),
        moved: Instant::now(),
        terminal: ends.terminal,
        attached,
        controls: vec![Control::new(connection)?],
        listener: Some(listener),
        log,
        oom_events,
        survivors: unified.or(freezer).filter(|_| order.init.shared.pid),
        state,
        _reserved: given.all(|r| *r == Role::Reserved),
    }))
}

/// Descriptors of the order by what they are for.
struct Given(HashMap<usize, (Role, OwnedFd)>);

impl Given {
    fn sort(order: &StartOrder, fds: Vec<OwnedFd>) -> Self {
        Self(order.roles.iter().cloned().zip(fds).enumerate().collect())
    }

    /// Takes all that match, in the order's order.
    fn all(&mut self, matches: impl Fn(&Role) -> bool) -> Vec<OwnedFd> {
        self.all_with_roles(matches)
            .into_iter()
            .map(|(_, fd)| fd)
            .collect()
    }

    fn all_with_roles(&mut self, matches: impl Fn(&Role) -> bool) -> Vec<(Role, OwnedFd)> {
        let mut keys: Vec<usize> = self
            .0
            .iter()
            .filter(|(_, (role, _))| matches(role))
            .map(|(k, _)| *k)
            .collect();
        keys.sort_unstable();
        keys.iter().filter_map(|key| self.0.remove(key)).collect()
    }

    fn one(&mut self, role: &Role) -> io::Result<OwnedFd> {
        let found = self.all(|r| r == role).into_iter().next();
        found.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the order lacks {role:?}"),
            )
        })
    }
}

/// The clients that wait for the process.
fn clients(given: &mut Given) -> io::Result<Vec<Attached>> {
    given
        .all_with_roles(|r| matches!(r, Role::Attached(_)))
        .into_iter()
        .filter_map(|(role, socket)| match role {
            Role::Attached(order) => Some(Attached::new(order, socket)),
            _ => None,
        })
        .collect()
}

/// The socket's mode is 0600 by the directory's 0700 and our umask.
fn listen(state: &OwnedFd) -> io::Result<UnixListener> {
    bulkhead_sys::process::set_umask(0o177);
    let listener = UnixListener::bind(format!("{}/{SOCKET}", proc_path(state)))?;
    bulkhead_sys::process::set_umask(0o022);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

type Started = Result<(Child, Ends), StartFailure>;

fn start_child(
    order: &StartOrder,
    given: &mut Given,
    unified: Option<&OwnedFd>,
    connection: &UnixStream,
) -> io::Result<Started> {
    let (report, reported) = socket::seqpacket_pair()?;
    let (mut ends, streams) = if order.terminal {
        (Ends::none(), None)
    } else {
        pipes(order.stdin)?
    };
    let descriptors = Descriptors {
        rootfs: given.one(&Role::RootFilesystem)?,
        network: given.one(&Role::Network).ok(),
        user: given.one(&Role::UserNamespace).ok(),
        ipc: given.one(&Role::IpcNamespace).ok(),
        shared_memory: given.one(&Role::SharedMemory).ok(),
        cgroup_tasks: given.all(|r| *r == Role::CgroupTasks),
        cgroup_mounts: given
            .all_with_roles(|r| matches!(r, Role::CgroupMount(_)))
            .into_iter()
            .map(|(role, fd)| {
                (
                    if let Role::CgroupMount(name) = role {
                        name
                    } else {
                        String::new()
                    },
                    fd,
                )
            })
            .collect(),
        mounts: given.all(|r| *r == Role::Mount),
        streams,
        report,
    };
    let init = &order.init;
    if let Ok(namespace) = given.one(&Role::PidNamespace) {
        // For children alone: a process never changes its own.
        namespace::join(namespace, Namespaces::CLONE_NEWPID)?;
    }
    let cloned = fork_into(
        init::namespaces(init),
        unified.map(|fd| fd.as_fd()),
        move || init::run(init, descriptors),
    );
    let child = match cloned {
        Ok(child) => child,
        Err(error) => return Ok(Err(internal(format!("{error}: {}", error.source)))),
    };
    // The child's ends were moved into the closure, and went with it.
    while let Some((report, master)) = init::read_report(&reported)? {
        match report {
            Report::Warning(text) => tell(connection, &Event::Warning(text)),
            Report::Terminal => ends = terminal_ends(order, master)?,
            Report::Process(_) => {}
            Report::Failed(failure) => {
                bulkhead_sys::pidfd::wait(&child.pidfd)?;
                return Ok(Err(failure));
            }
        }
    }
    Ok(Ok((child, ends)))
}

/// Has a helper join the container and make the process there, which becomes
/// our child.
fn join_child(
    order: &StartOrder,
    join: Join,
    given: &mut Given,
    unified: Option<&OwnedFd>,
    connection: &UnixStream,
) -> io::Result<Started> {
    let (report, reported) = socket::seqpacket_pair()?;
    let (mut ends, streams) = if order.terminal {
        (Ends::none(), None)
    } else {
        pipes(order.stdin)?
    };
    let joining = Joining {
        container: given.one(&Role::Container)?,
        cgroup_tasks: given.all(|r| *r == Role::CgroupTasks),
        streams,
        report,
    };
    let init = &order.init;
    let helper = fork_into(
        Namespaces::empty(),
        unified.map(|fd| fd.as_fd()),
        move || init::join(init, join, joining),
    );
    let helper = match helper {
        Ok(helper) => helper,
        Err(error) => return Ok(Err(internal(format!("{error}: {}", error.source)))),
    };
    let (mut process, mut failed) = (None, None);
    while let Some((report, fd)) = init::read_report(&reported)? {
        match (report, fd) {
            (Report::Warning(text), _) => tell(connection, &Event::Warning(text)),
            (Report::Terminal, master) => ends = terminal_ends(order, master)?,
            (Report::Process(pid), Some(pidfd)) => process = Some(Child { pid, pidfd }),
            (Report::Process(_), None) => {}
            (Report::Failed(failure), _) => failed = Some(failure),
        }
    }
    bulkhead_sys::pidfd::wait(&helper.pidfd)?;
    match (process, failed) {
        (Some(child), None) => Ok(Ok((child, ends))),
        (child, failed) => {
            if let Some(child) = child {
                bulkhead_sys::pidfd::wait(&child.pidfd)?;
            }
            Ok(Err(failed.unwrap_or_else(|| {
                internal("the container could not be joined".to_owned())
            })))
        }
    }
}

fn internal(message: String) -> StartFailure {
    StartFailure {
        kind: bulkhead_model::ErrorKind::Internal,
        message,
    }
}

impl Ends {
    fn none() -> Self {
        Self {
            stdin: None,
            outputs: Vec::new(),
            terminal: None,
        }
    }
}

fn pipes(stdin: bool) -> io::Result<(Ends, Option<[OwnedFd; 3]>)> {
    let (out_reader, out_writer) = io::pipe()?;
    let (error_reader, error_writer) = io::pipe()?;
    let (stdin_reader, stdin_writer): (OwnedFd, Option<OwnedFd>) = if stdin {
        let (reader, writer) = io::pipe()?;
        poll::set_nonblocking(&writer)?;
        (reader.into(), Some(writer.into()))
    } else {
        (std::fs::File::open("/dev/null")?.into(), None)
    };
    let outputs = vec![
        Output::new(out_reader.into(), Stream::Stdout)?,
        Output::new(error_reader.into(), Stream::Stderr)?,
    ];
    let ends = Ends {
        stdin: stdin_writer,
        outputs,
        terminal: None,
    };
    Ok((
        ends,
        Some([stdin_reader, out_writer.into(), error_writer.into()]),
    ))
}

fn terminal_ends(order: &StartOrder, master: Option<OwnedFd>) -> io::Result<Ends> {
    let master = master
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no terminal came along"))?;
    poll::set_nonblocking(&master)?;
    Ok(Ends {
        stdin: if order.stdin {
            Some(master.try_clone()?)
        } else {
            None
        },
        outputs: vec![Output::new(master.try_clone()?, Stream::Stdout)?],
        terminal: Some(master),
    })
}

/// A daemon that died meanwhile cannot be told; the one after it will ask.
fn tell(mut connection: &UnixStream, event: &Event) {
    use std::io::Write;
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    let _ = connection.write_all(&bytes);
}
