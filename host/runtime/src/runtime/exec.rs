//! One more process in a container that runs: a shim of its own, which joins
//! where the container's shim would make.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::process::{Attachment, ExecPlan, ProcessRef, Running};
use bulkhead_model::{ContainerId, ExecId};
use bulkhead_sys::directory::{ensure_dir, entries, mkdirat};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{pidfd, poll, tree};

use super::Runtime;
use super::operations::{ask_state, ends_within, not_running};
use super::start::{await_start, check_apparmor};
use crate::error::RuntimeError;
use crate::layout::{EXEC_NOTE, EXECS};
use crate::order::{self, AttachOrder, InitOrder, Join, RlimitOrder, Role, StartOrder};
use crate::shim_protocol::Event;
use crate::undo::Undo;

/// How long a container that ends may take to be gone.
const ENDING: Duration = Duration::from_millis(500);

/// How often a container whose new process is silent is looked at, milliseconds.
const LOOK: u16 = 200;

/// A note longer than this, bytes, is read no further: no command line is.
const MAX_NOTE: u64 = 16 << 20;

/// A container's first process.
struct First {
    process: OwnedFd,
    pid: u32,
    join: Join,
}

/// Everything that goes along with the order.
struct Prepared {
    first: First,
    state: OwnedFd,
    /// Version 1 files and the version 2 cgroup of the container's.
    cgroups: (Vec<OwnedFd>, Option<OwnedFd>),
    shim_tasks: Vec<OwnedFd>,
    attached: Vec<(AttachOrder, OwnedFd)>,
}

impl Runtime {
    pub(super) fn start_exec(
        &self,
        plan: &ExecPlan,
        attached: Vec<Attachment>,
    ) -> Result<Running, RuntimeError> {
        let Some(exec) = &plan.process.exec else {
            return Err(not_running(&plan.process));
        };
        self.reap();
        let first = self.first_process(&plan.process.container)?;
        let container = first.process.try_clone().map_err(RuntimeError::Shim)?;
        let mut undo = Undo::default();
        match self.exec_steps(plan, exec, first, attached, &mut undo) {
            Ok(running) => {
                undo.disarm();
                Ok(running)
            }
            Err(error) => {
                let error = undo.roll_back(error);
                // Its end takes away, one after the other, all that a new process needs.
                let unexplained = error.kind() == ErrorKind::Internal;
                if unexplained && ends_within(&container, ENDING)? {
                    let container = &plan.process.container;
                    return Err(not_running(&ProcessRef::first(container)));
                }
                Err(error)
            }
        }
    }

    fn exec_steps<'a>(
        &'a self,
        plan: &'a ExecPlan,
        exec: &'a ExecId,
        first: First,
        attached: Vec<Attachment>,
        undo: &mut Undo<'a>,
    ) -> Result<Running, RuntimeError> {
        let container = &plan.process.container;
        let execs = ensure_dir(self.shim_folder(container)?, EXECS, 0o700)?;
        mkdirat(&execs, exec.as_str(), 0o700)?;
        undo.push(move || Ok(tree::remove_tree(&execs, exec.as_str())?));
        let state = self.layout.process(&plan.process)?;
        write_note(&state, &plan.note)?;
        let (shim_tasks, shim_cgroup) = self.cgroups.shims()?;
        let prepared = Prepared {
            cgroups: self
                .cgroups_of(container.as_str())
                .enter(container.as_str(), first.pid)?,
            first,
            state,
            shim_tasks,
            attached: attached.into_iter().map(order::attach_order).collect(),
        };
        let names = [container.as_str(), exec.as_str()];
        let (child, connection) = self.spawn_shim(&names, &prepared.state, shim_cgroup.as_ref())?;
        undo.push(move || self.reap_one(&child_name(container, exec)).map(drop));
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(child_name(container, exec), child.pidfd);
        let (roles, fds) = descriptors(&prepared);
        let order = StartOrder {
            id: exec.as_str().to_owned(),
            roles,
            log: None,
            stdin: plan.stdin,
            terminal: plan.terminal,
            join: Some(prepared.first.join),
            init: self.exec_order(plan)?,
        };
        order::send(&connection, &order, &fds).map_err(RuntimeError::Shim)?;
        let mut warnings = Vec::new();
        self.until_it_speaks(container, &connection, Duration::MAX)?;
        let pid = await_start(&connection, &mut warnings)?;
        Ok(Running {
            pid,
            shim: connection,
            resolver: None,
            warnings,
        })
    }

    /// A process that joins a container which is being paused is frozen, too,
    /// and would not be heard of until that goes on. Returns when its shim
    /// speaks, or after `limit`.
    pub(super) fn until_it_speaks(
        &self,
        container: &ContainerId,
        connection: &UnixStream,
        limit: Duration,
    ) -> Result<(), RuntimeError> {
        let interest = [(connection.as_fd(), poll::Events::POLLIN)];
        let begin = Instant::now();
        while poll::wait(&interest, Some(LOOK))?[0].is_empty() && begin.elapsed() < limit {
            let id = container.as_str();
            if self.cgroups_of(id).is_frozen(id) {
                return Err(RuntimeError::Paused(id.to_owned()));
            }
        }
        Ok(())
    }

    fn shim_folder(&self, container: &ContainerId) -> Result<OwnedFd, RuntimeError> {
        let folder = self.layout.shim(container.as_str());
        folder.map_err(|_| not_running(&ProcessRef::first(container)))
    }

    /// Its shim alone reaps it: as long as that says that it runs, the pid was
    /// not given to another process.
    fn first_process(&self, container: &ContainerId) -> Result<First, RuntimeError> {
        let reference = ProcessRef::first(container);
        let (pid, shim) = self.running(&reference)?;
        let gone = |_| not_running(&reference);
        let process = pidfd::open(pid).map_err(gone)?;
        let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/user"));
        let theirs = namespace(&pid.to_string()).map_err(|_| not_running(&reference))?;
        let ours = namespace("self").map_err(RuntimeError::Shim)?;
        match ask_state(&shim, &reference)? {
            Event::Started { .. } => Ok(First {
                process,
                pid,
                join: Join {
                    user_namespace: theirs != ours,
                },
            }),
            _ => Err(not_running(&reference)),
        }
    }

    fn exec_order(&self, plan: &ExecPlan) -> Result<InitOrder, RuntimeError> {
        check_apparmor(plan.apparmor.as_deref())?;
        Ok(InitOrder {
            args: plan.args.clone(),
            env: plan.env.clone(),
            cwd: plan.cwd.as_os_str().as_bytes().to_vec(),
            user: plan.user.clone(),
            groups: plan.groups.clone(),
            console_size: plan.console_size,
            capabilities: plan.capabilities,
            no_new_privileges: plan.no_new_privileges,
            // A process with more rights than the container still has the
            // container's filter, as with runc.
            seccomp: self.filter(&plan.seccomp, plan.filter_capabilities)?,
            apparmor: plan.apparmor.clone(),
            rlimits: plan
                .rlimits
                .iter()
                .map(|r| RlimitOrder {
                    name: r.name.clone(),
                    soft: r.soft,
                    hard: r.hard,
                })
                .collect(),
            oom_score_adj: plan.oom_score_adj,
            ..InitOrder::default()
        })
    }

    pub(super) fn read_exec_note(&self, process: &ProcessRef) -> Option<Vec<u8>> {
        let state = self.layout.process(process).ok()?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
        let file = open_beneath(state, EXEC_NOTE, flags, 0).ok()?;
        let mut note = Vec::new();
        let read = File::from(file).take(MAX_NOTE).read_to_end(&mut note);
        read.ok().map(|_| note)
    }

    pub(super) fn held_execs(&self, container: &ContainerId) -> Vec<ExecId> {
        let execs = self.layout.shim(container.as_str()).and_then(|shim| {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
            entries(open_beneath(shim, EXECS, flags, 0)?)
        });
        let names = execs.unwrap_or_default().into_iter();
        names
            .filter_map(|name| name.into_string().ok()?.parse().ok())
            .collect()
    }

    /// Its process has ended, and its shim is about to.
    pub(super) fn remove_exec(&self, process: &ProcessRef) -> Result<(), RuntimeError> {
        let (container, Some(exec)) = (&process.container, &process.exec) else {
            return Ok(());
        };
        self.reap_one(&child_name(container, exec))?;
        let Ok(shim) = self.layout.shim(container.as_str()) else {
            return Ok(());
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        match open_beneath(shim, EXECS, flags, 0) {
            Ok(execs) => Ok(tree::remove_tree(&execs, exec.as_str())?),
            Err(_) => Ok(()),
        }
    }

    /// Reaps the shims of a container that has ended: with it, its other
    /// processes did.
    pub(super) fn reap_execs(&self, container: &str) -> Result<(), RuntimeError> {
        let prefix = format!("{container}/");
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let names = children.keys().filter(|name| name.starts_with(&prefix));
        let names: Vec<String> = names.cloned().collect();
        drop(children);
        for name in names {
            self.reap_one(&name)?;
        }
        Ok(())
    }
}

fn write_note(state: &OwnedFd, note: &[u8]) -> Result<(), RuntimeError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mut file = File::from(open_beneath(state, EXEC_NOTE, flags, 0o600)?);
    let failed = |source| bulkhead_sys::Error::new("write", EXEC_NOTE, source);
    Ok(file.write_all(note).map_err(failed)?)
}

/// The shim's name among our children.
fn child_name(container: &ContainerId, exec: &ExecId) -> String {
    format!("{}/{}", container.as_str(), exec.as_str())
}

fn descriptors(prepared: &Prepared) -> (Vec<Role>, Vec<BorrowedFd<'_>>) {
    let (tasks, unified) = &prepared.cgroups;
    let mut all = vec![
        (Role::State, prepared.state.as_fd()),
        (Role::Container, prepared.first.process.as_fd()),
    ];
    all.extend(unified.iter().map(|fd| (Role::Cgroup, fd.as_fd())));
    all.extend(tasks.iter().map(|fd| (Role::CgroupTasks, fd.as_fd())));
    let shims = prepared.shim_tasks.iter();
    all.extend(shims.map(|fd| (Role::ShimTasks, fd.as_fd())));
    let clients = prepared.attached.iter();
    all.extend(clients.map(|(order, fd)| (Role::Attached(order.clone()), fd.as_fd())));
    all.into_iter().unzip()
}
