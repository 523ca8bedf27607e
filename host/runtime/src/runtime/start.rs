//! Starting a container.
//!
//! The shim is spawned first and waits for its order while we prepare; the
//! network is attached on a thread of its own beside cgroups and mounts.
//!
//! ```text
//! spawn shim ─┬─ network (thread) ───────────┬─▶ order ─▶ Started
//!             └─ cgroups ─▶ root ─▶ mounts ──┘
//! ```

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::PoisonError;

use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::{
    Attachment, ContainerPlan, LogConfig, PathList, Running, SeccompProfile, Sharing,
};
use bulkhead_sys::clone::{Child, Program, spawn};
use bulkhead_sys::path::{OFlag, open_beneath, open_host};
use bulkhead_sys::seccomp::Instruction;

use super::mounts::Mounts;
use super::peers::Joined;
use super::{Runtime, devices};
use crate::cgroup::{Cgroups, Options};
use crate::error::RuntimeError;
use crate::handoff;
use crate::layout::SHIM_LOG;
use crate::order::{
    self, AttachOrder, DeviceFile, InitOrder, LogOrder, Protected, RlimitOrder, Role, Shared,
    StartOrder,
};
use crate::seccomp;
use crate::shim_protocol::{Event, read_event};
use crate::sysctl::{self, Private};
use crate::undo::Undo;
use crate::user_namespace::UserNamespace;

/// Everything a start has prepared before the order goes out.
struct Prepared {
    rootfs: OwnedFd,
    mounts: Mounts,
    logs: OwnedFd,
    cgroups: Cgroups,
    freezer: Option<OwnedFd>,
    shim_tasks: Vec<OwnedFd>,
    netns: Option<OwnedFd>,
    user: Option<UserNamespace>,
    /// Sockets that keep published ports from others; the shim holds them.
    reserved: Vec<OwnedFd>,
    sysctls: Vec<(String, String)>,
    /// Clients' sockets.
    attached: Vec<(AttachOrder, OwnedFd)>,
    devices: Vec<DeviceFile>,
    joined: Joined,
    /// Opcode, jumps, operand.
    seccomp: Vec<(u16, u8, u8, u32)>,
}

impl Runtime {
    pub(super) fn start_container(
        &self,
        plan: &ContainerPlan,
        network: &NetworkPlan,
        attached: Vec<Attachment>,
    ) -> Result<Running, RuntimeError> {
        let sysctls = checked_sysctls(plan, network)?;
        check_apparmor(plan.apparmor.as_deref())?;
        let user = UserNamespace::of(plan, network)?;
        self.reap();
        let mut undo = Undo::default();
        match self.start_steps(plan, network, attached, sysctls, user, &mut undo) {
            Ok(running) => {
                undo.disarm();
                Ok(running)
            }
            Err(error) => Err(undo.roll_back(error)),
        }
    }

    fn start_steps<'a>(
        &'a self,
        plan: &'a ContainerPlan,
        network: &'a NetworkPlan,
        attached: Vec<Attachment>,
        sysctls: Vec<(String, String)>,
        user: Option<UserNamespace>,
        undo: &mut Undo<'a>,
    ) -> Result<Running, RuntimeError> {
        let id = plan.id.as_str();
        undo.push(move || Ok(bulkhead_sys::tree::remove_tree(&self.layout.shims, id)?));
        let state = self.fresh_state(id)?;
        undo.push(move || self.remove_cgroups(id));
        self.note_cgroup_parent(&state, plan.cgroup_parent.as_ref())?;
        undo.push(move || self.reap_one(id).map(drop));
        let (shim_tasks, shim_cgroup) = self.cgroups.shims()?;
        let (child, connection) = self.spawn_shim(&[id], &state, shim_cgroup.as_ref())?;
        // The shim ends by itself when its connection closes without an order.
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), child.pidfd);
        handoff::write_note(&state, network)?;
        undo.push(move || handoff::detach(network, id, &self.network));
        let netns = user.as_ref().and_then(|user| user.network.as_ref());
        let netns = netns.map(AsFd::as_fd);
        let (wired, prepared) = std::thread::scope(|scope| {
            let wired = scope.spawn(|| handoff::attach(network, id, &self.network, netns));
            let prepared = self.prepare(plan, sysctls, user.as_ref());
            (wired.join(), prepared)
        });
        let wired = wired.unwrap_or_else(|_| Err(handoff::panicked()))?;
        let mut prepared = prepared?;
        let mut warnings = wired.warnings;
        warnings.append(&mut prepared.cgroups.warnings);
        prepared.user = user;
        prepared.attached = attached.into_iter().map(order::attach_order).collect();
        prepared.shim_tasks = shim_tasks;
        prepared.netns = wired.netns.or(prepared.joined.network.take());
        let resolver = wired.resolver;
        prepared.reserved = wired
            .reservations
            .into_iter()
            .map(|r| r.into_fd())
            .collect();
        let (order, fds) = self.order(plan, &state, &prepared);
        order::send(&connection, &order, &fds).map_err(RuntimeError::Shim)?;
        let pid = await_start(&connection, &mut warnings)?;
        Ok(Running {
            pid,
            shim: connection,
            resolver,
            warnings,
        })
    }

    /// An empty state directory; what an earlier run left is removed.
    fn fresh_state(&self, id: &str) -> Result<OwnedFd, RuntimeError> {
        bulkhead_sys::tree::remove_tree(&self.layout.shims, id)?;
        bulkhead_sys::directory::mkdirat(&self.layout.shims, id, 0o700)?;
        Ok(self.layout.shim(id)?)
    }

    pub(super) fn spawn_shim(
        &self,
        names: &[&str],
        state: &OwnedFd,
        cgroup: Option<&OwnedFd>,
    ) -> Result<(Child, UnixStream), RuntimeError> {
        let null = open_host("/dev/null", OFlag::O_RDWR, 0)?;
        let log = open_beneath(
            state,
            SHIM_LOG,
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND,
            0o600,
        )?;
        let (ours, theirs) = UnixStream::pair().map_err(RuntimeError::Shim)?;
        // The ids let people tell shims apart in ps.
        let mut args = vec![CString::from(c"bulkhead-shim")];
        args.extend(names.iter().map(|id| CString::new(*id).unwrap_or_default()));
        let descriptors = [null.as_fd(), null.as_fd(), log.as_fd(), theirs.as_fd()];
        let program = Program {
            file: self.shim.as_fd(),
            args: &args,
            env: &[],
            descriptors: &descriptors,
            cgroup: cgroup.map(|fd| fd.as_fd()),
        };
        let child = spawn(&program).map_err(RuntimeError::SpawnShim)?;
        Ok((child, ours))
    }

    fn prepare(
        &self,
        plan: &ContainerPlan,
        sysctls: Vec<(String, String)>,
        user: Option<&UserNamespace>,
    ) -> Result<Prepared, RuntimeError> {
        let unconfined = SeccompProfile::Unconfined;
        let profile = if plan.privileged {
            &unconfined
        } else {
            &plan.seccomp
        };
        let seccomp = self.filter(profile, plan.capabilities)?;
        let joined = Joined::of(plan)?;
        let (files, access) = devices::resolve(plan)?;
        let options = Options {
            devices: access,
            mount: true,
        };
        let cgroups = self.make_cgroups(plan, options)?;
        let rootfs = self.storage.mount(
            &plan.storage_driver,
            &plan.rootfs,
            user.map(UserNamespace::shift),
        )?;
        let mounts = self.open_mounts(plan, &rootfs, user.map(|user| user.ids.root))?;
        let freezer = match cgroups.unified {
            None if plan.shared.pid != Sharing::Private => {
                self.cgroups_of(plan.id.as_str()).freezer(plan.id.as_str())
            }
            _ => None,
        };
        Ok(Prepared {
            freezer,
            rootfs,
            mounts,
            logs: self.layout.container(plan.id.as_str())?,
            cgroups,
            user: None,
            shim_tasks: Vec::new(),
            netns: None,
            reserved: Vec::new(),
            attached: Vec::new(),
            sysctls,
            devices: files,
            joined,
            seccomp,
        })
    }

    fn order<'a>(
        &self,
        plan: &ContainerPlan,
        state: &'a OwnedFd,
        prepared: &'a Prepared,
    ) -> (StartOrder, Vec<BorrowedFd<'a>>) {
        let (roles, fds) = descriptors(state, prepared);
        let order = StartOrder {
            id: plan.id.as_str().to_owned(),
            roles,
            log: log_order(plan),
            stdin: plan.stdin,
            terminal: plan.terminal,
            join: None,
            init: self.init_order(plan, prepared),
        };
        (order, fds)
    }

    fn init_order(&self, plan: &ContainerPlan, prepared: &Prepared) -> InitOrder {
        use std::os::unix::ffi::OsStrExt;
        InitOrder {
            args: plan.args.clone(),
            reaper: plan.init,
            env: plan.env.clone(),
            cwd: plan.cwd.as_os_str().as_bytes().to_vec(),
            user: plan.user.clone(),
            console_size: plan.console_size,
            hostname: plan.hostname.clone(),
            domainname: plan.domainname.clone(),
            capabilities: plan.capabilities,
            privileged: plan.privileged,
            no_new_privileges: plan.no_new_privileges,
            seccomp: prepared.seccomp.clone(),
            groups: plan.groups.clone(),
            apparmor: plan.apparmor.clone(),
            protected: Protected {
                masked: paths(&plan.masked_paths),
                read_only: paths(&plan.read_only_paths),
            },
            devices: prepared.devices.clone(),
            shared: Shared {
                pid: plan.shared.pid != Sharing::Private,
                ipc: plan.shared.ipc != Sharing::Private,
                uts: plan.shared.uts,
                cgroup: plan.shared.cgroup,
            },
            mapped: prepared.user.as_ref().map(|user| user.ids),
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
            shm_size: plan.shm_size,
            sysctls: prepared.sysctls.clone(),
            read_only: plan.read_only,
            mounts: prepared
                .mounts
                .iter()
                .map(|(target, _)| target.clone())
                .collect(),
        }
    }

    pub(super) fn filter(
        &self,
        profile: &SeccompProfile,
        capabilities: u64,
    ) -> Result<Vec<(u16, u8, u8, u32)>, RuntimeError> {
        let tuple = |i: &Instruction| (i.code, i.jt, i.jf, i.k);
        Ok(match profile {
            SeccompProfile::Unconfined => Vec::new(),
            SeccompProfile::Default => {
                let filter = self.profiles.default_profile(capabilities);
                filter.iter().map(tuple).collect()
            }
            SeccompProfile::Custom(rules) => {
                let filter = seccomp::compile_custom(rules, capabilities)?;
                filter.iter().map(tuple).collect()
            }
        })
    }
}

fn paths(list: &PathList) -> Option<Vec<Vec<u8>>> {
    use std::os::unix::ffi::OsStrExt;
    match list {
        PathList::Default => None,
        PathList::Given(paths) => {
            let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
            Some(paths.iter().map(bytes).collect())
        }
    }
}

/// A profile that was asked for and cannot be had is not silently left out.
pub(super) fn check_apparmor(profile: Option<&str>) -> Result<(), RuntimeError> {
    const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
    match profile {
        Some(profile) if !std::fs::read_to_string(ENABLED).is_ok_and(|t| t.starts_with('Y')) => {
            Err(RuntimeError::NoAppArmor(profile.to_owned()))
        }
        _ => Ok(()),
    }
}

fn checked_sysctls(
    plan: &ContainerPlan,
    network: &NetworkPlan,
) -> Result<Vec<(String, String)>, RuntimeError> {
    use bulkhead_model::network::NetworkNamespace;
    let private = Private {
        ipc: plan.shared.ipc == Sharing::Private,
        network: network.namespace == NetworkNamespace::Private,
    };
    let check = |(key, value): &(String, String)| sysctl::normalise(key, value, private);
    Ok(plan.sysctls.iter().map(check).collect::<Result<_, _>>()?)
}

fn log_order(plan: &ContainerPlan) -> Option<LogOrder> {
    let (rotation, json) = match &plan.log {
        LogConfig::JsonFile {
            rotation,
            attributes,
        } => (rotation, Some(attributes.clone())),
        LogConfig::Local { rotation } => (rotation, None),
        LogConfig::None => return None,
    };
    Some(LogOrder {
        name: plan.log.file_name(plan.id.as_str())?,
        json,
        max_size: rotation.max_size,
        max_files: rotation.max_files,
        compress: rotation.compress,
    })
}

fn descriptors<'a>(state: &'a OwnedFd, prepared: &'a Prepared) -> (Vec<Role>, Vec<BorrowedFd<'a>>) {
    let cgroups = &prepared.cgroups;
    let mut all: Vec<(Role, BorrowedFd<'a>)> = vec![
        (Role::RootFilesystem, prepared.rootfs.as_fd()),
        (Role::State, state.as_fd()),
        (Role::Logs, prepared.logs.as_fd()),
    ];
    all.extend(prepared.netns.iter().map(|fd| (Role::Network, fd.as_fd())));
    if let Some(user) = &prepared.user {
        all.push((Role::UserNamespace, user.user.as_fd()));
        all.extend(user.ipc.iter().map(|fd| (Role::IpcNamespace, fd.as_fd())));
    }
    let joined = &prepared.joined;
    all.extend(joined.pid.iter().map(|fd| (Role::PidNamespace, fd.as_fd())));
    all.extend(joined.ipc.iter().map(|fd| (Role::IpcNamespace, fd.as_fd())));
    let memory = joined.shared_memory.iter();
    all.extend(memory.map(|fd| (Role::SharedMemory, fd.as_fd())));
    all.extend(
        cgroups
            .oom_events
            .iter()
            .map(|fd| (Role::OomEvents, fd.as_fd())),
    );
    all.extend(
        prepared
            .freezer
            .iter()
            .map(|fd| (Role::Freezer, fd.as_fd())),
    );
    all.extend(cgroups.unified.iter().map(|fd| (Role::Cgroup, fd.as_fd())));
    all.extend(
        cgroups
            .tasks
            .iter()
            .map(|fd| (Role::CgroupTasks, fd.as_fd())),
    );
    all.extend(
        prepared
            .shim_tasks
            .iter()
            .map(|fd| (Role::ShimTasks, fd.as_fd())),
    );
    all.extend(
        cgroups
            .mounts
            .iter()
            .map(|(name, fd)| (Role::CgroupMount(name.clone()), fd.as_fd())),
    );
    all.extend(
        prepared
            .mounts
            .iter()
            .filter_map(|(_, fd)| Some((Role::Mount, fd.as_ref()?.as_fd()))),
    );
    all.extend(
        prepared
            .reserved
            .iter()
            .map(|fd| (Role::Reserved, fd.as_fd())),
    );
    all.extend(
        prepared
            .attached
            .iter()
            .map(|(order, fd)| (Role::Attached(order.clone()), fd.as_fd())),
    );
    all.into_iter().unzip()
}

pub(super) fn await_start(
    mut connection: &UnixStream,
    warnings: &mut Vec<String>,
) -> Result<u32, RuntimeError> {
    loop {
        match read_event(&mut connection).map_err(RuntimeError::Shim)? {
            Event::Warning(text) => warnings.push(text),
            Event::Started { pid } => return Ok(pid),
            Event::StartFailed(failure) => return Err(RuntimeError::Start(failure)),
            _ => return Err(RuntimeError::Shim(io::ErrorKind::InvalidData.into())),
        }
    }
}
