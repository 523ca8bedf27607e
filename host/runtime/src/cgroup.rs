//! The container's cgroups: one below our own parent in every hierarchy the
//! machine has, be they version 1, version 2 or both.
//!
//! ```text
//! /sys/fs/cgroup/memory/<parent>/<id>      version 1, one tree a controller
//! /sys/fs/cgroup/<parent>/<id>             version 2 alone
//! /sys/fs/cgroup/unified/<parent>/<id>     version 2 beside version 1
//! …/<parent>/shims                         all shims
//! ```
//!
//! The parent hangs below each hierarchy's root, never below the cgroup the
//! daemon happens to run in: what is there may be limited, delegated or
//! killed with somebody else's unit.

mod devices;
mod elsewhere;
mod freeze;
mod hierarchy;
mod kill;
mod limits;
mod stats;
mod update;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_model::process::Stats;
use bulkhead_model::resources::Resources;
use bulkhead_sys::directory::{entries, rmdirat};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};
use bulkhead_sys::{Error, mount};

pub use devices::Access;
pub(crate) use elsewhere::MadeCgroups;
pub use hierarchy::{Hierarchy, Version};
pub use kill::kill;
pub(crate) use stats::fill;

use crate::error::RuntimeError;

/// The name of the shims' cgroup: no container id is shorter than 64 digits.
const SHIMS: &str = "shims";

/// Our parent cgroup in every hierarchy.
#[derive(Debug)]
pub struct Parent {
    name: String,
    hierarchies: Vec<Hierarchy>,
    /// `<parent>` in each hierarchy.
    dirs: Vec<OwnedFd>,
    /// Device filters of version 2: for containers, for privileged ones none.
    device_filter: Option<Arc<OwnedFd>>,
}

/// One container's cgroups.
#[derive(Debug)]
pub struct Cgroups {
    /// Files to write `0` to from inside.
    pub tasks: Vec<OwnedFd>,
    /// The version 2 cgroup to be born in.
    pub unified: Option<OwnedFd>,
    /// Where the kernel counts processes killed for want of memory.
    pub oom_events: Option<OwnedFd>,
    /// Detached mounts and their names below /sys/fs/cgroup.
    pub mounts: Vec<(String, OwnedFd)>,
    /// Limits this machine could not apply.
    pub warnings: Vec<String>,
}

impl Parent {
    /// Finds the hierarchies and makes the parent in each.
    ///
    /// # Errors
    /// No cgroup filesystem is mounted, or a directory cannot be made.
    pub fn open(name: &str) -> Result<Self, RuntimeError> {
        let name = name.trim_matches('/').to_owned();
        let hierarchies = hierarchy::find()?;
        let mut dirs = Vec::with_capacity(hierarchies.len());
        for hierarchy in &hierarchies {
            dirs.push(
                prepare_parent(hierarchy, &name)
                    .map_err(|source| failed(&hierarchy.mount, source))?,
            );
        }
        Ok(Self {
            name,
            hierarchies,
            dirs,
            device_filter: devices::filter().map(Arc::new),
        })
    }

    /// Whether a process is in the cgroups of container `id`, or in some it
    /// made below them, by what the kernel says of it (`cgroups(7)`,
    /// /proc/PID/cgroup).
    pub(crate) fn is_member(&self, id: &str, pid: u32) -> bool {
        let own = self.shown(id);
        let is_below = |path: &str| {
            path.strip_prefix(&own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let lines = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        lines
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .any(is_below)
    }

    /// Makes a container's cgroups with their limits.
    ///
    /// # Errors
    /// A cgroup cannot be made; limits that cannot be applied are warnings.
    pub fn create(
        &self,
        id: &str,
        resources: &Resources,
        options: Options,
    ) -> Result<Cgroups, RuntimeError> {
        let mut out = Cgroups {
            tasks: vec![],
            unified: None,
            oom_events: None,
            mounts: vec![],
            warnings: vec![],
        };
        for (hierarchy, parent) in self.hierarchies.iter().zip(&self.dirs) {
            let path = hierarchy.mount.join(&self.name).join(id);
            let dir = make(parent, id).map_err(|source| failed(&path, source))?;
            self.fill(hierarchy, &dir, &options, &mut out)
                .map_err(|source| failed(&path, source))?;
            match hierarchy.version {
                Version::One => out
                    .tasks
                    .push(open(&dir, "tasks").map_err(|source| failed(&path, source))?),
                Version::Two => out.unified = Some(dir),
            }
        }
        limits::apply(self, id, resources, &mut out.warnings);
        Ok(out)
    }

    fn fill(
        &self,
        hierarchy: &Hierarchy,
        dir: &OwnedFd,
        options: &Options,
        out: &mut Cgroups,
    ) -> Result<(), Error> {
        if hierarchy.has("memory") {
            let file = if hierarchy.version == Version::One {
                "memory.oom_control"
            } else {
                "memory.events"
            };
            out.oom_events = open_beneath(dir, file, OFlag::O_RDONLY, 0).ok();
        }
        if let Access::Beside(more) = &options.devices {
            devices::restrict(
                hierarchy,
                dir,
                more,
                self.device_filter.as_deref(),
                &mut out.warnings,
            )?;
        }
        if options.mount {
            out.mounts.push((
                hierarchy.name.clone(),
                mount::clone_mount(dir.as_fd(), false)?,
            ));
        }
        Ok(())
    }

    /// A running container's cgroups, for one more process: version 1 files to
    /// write `0` to from inside, and the version 2 one to be born in. That is
    /// the one its first process `pid` is in: when a container has cgroups of
    /// its own, only the innermost may hold processes.
    ///
    /// # Errors
    /// It has none.
    pub fn enter(
        &self,
        id: &str,
        pid: u32,
    ) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), RuntimeError> {
        let (mut tasks, mut unified) = (Vec::with_capacity(self.dirs.len()), None);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        for (hierarchy, parent) in self.hierarchies.iter().zip(&self.dirs) {
            let failed = |source| failed(&self.path(hierarchy, id), source);
            let dir = open_beneath(parent, id, flags, 0).map_err(failed)?;
            match hierarchy.version {
                Version::One => tasks.push(open(&dir, "tasks").map_err(failed)?),
                Version::Two => {
                    let below = self.below(id, pid);
                    let inner = below.and_then(|path| open_beneath(&dir, path, flags, 0).ok());
                    unified = Some(inner.unwrap_or(dir));
                }
            }
        }
        Ok((tasks, unified))
    }

    /// Where below its container's version 2 cgroup a process is (`cgroups(7)`).
    fn below(&self, id: &str, pid: u32) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        let inner = path.strip_prefix(&format!("{}/", self.shown(id)))?;
        Some(inner.to_owned())
    }

    /// The shims' cgroup: version 1 files to write `0` to from inside, and
    /// the version 2 one to be born in, as moving there would wait for an RCU
    /// grace period.
    ///
    /// # Errors
    /// A cgroup cannot be made.
    pub fn shims(&self) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), RuntimeError> {
        let (mut tasks, mut unified) = (Vec::with_capacity(self.dirs.len()), None);
        for (hierarchy, parent) in self.hierarchies.iter().zip(&self.dirs) {
            let failed = |source| failed(&hierarchy.mount, source);
            let dir = make(parent, SHIMS).map_err(failed)?;
            match hierarchy.version {
                Version::One => tasks.push(open(&dir, "tasks").map_err(failed)?),
                Version::Two => unified = Some(dir),
            }
        }
        Ok((tasks, unified))
    }

    /// Removes a container's cgroups, and kills what is left in them; missing
    /// ones are fine.
    ///
    /// # Errors
    /// EBUSY when a process cannot be killed.
    pub fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        for (hierarchy, parent) in self.hierarchies.iter().zip(&self.dirs) {
            kill::remove(parent, id)
                .map_err(|source| failed(&hierarchy.mount.join(&self.name).join(id), source))?;
        }
        Ok(())
    }

    /// Removes our parent cgroup from every hierarchy.
    ///
    /// # Errors
    /// EBUSY while a container or a shim is left.
    pub fn retire(&self) -> Result<(), RuntimeError> {
        for hierarchy in &self.hierarchies {
            let path = hierarchy.mount.join(&self.name);
            let gone =
                open_host_dir(&hierarchy.mount).and_then(|root| remove_tree(&root, &self.name));
            gone.map_err(|source| failed(&path, source))?;
        }
        Ok(())
    }

    /// The pids in a container's cgroup and in those it made below.
    pub fn processes(&self, id: &str) -> Vec<u32> {
        let dir = self.freezable(id);
        dir.and_then(|dir| kill::all_processes(&dir).ok())
            .unwrap_or_default()
    }

    /// Freezes a container's processes, and waits until they stand still.
    ///
    /// # Errors
    /// It has no cgroup or no process, or one of them does not stop.
    pub fn freeze(&self, id: &str) -> Result<(), RuntimeError> {
        let (dir, path) = self.freezer_of(id)?;
        freeze::freeze(&dir, freeze::PATIENCE).map_err(|source| failed(&path, source))?;
        // It may have ended meanwhile, and nobody is left to be thawed.
        if kill::all_processes(&dir).is_ok_and(|pids| pids.is_empty()) {
            freeze::thaw(&dir).map_err(|source| failed(&path, source))?;
            return Err(RuntimeError::NotRunning(id.to_owned()));
        }
        Ok(())
    }

    /// Lets a container's processes go on.
    ///
    /// # Errors
    /// It has no cgroup.
    pub fn thaw(&self, id: &str) -> Result<(), RuntimeError> {
        let (dir, path) = self.freezer_of(id)?;
        freeze::thaw(&dir).map_err(|source| failed(&path, source))
    }

    /// Whether a container's processes are frozen.
    pub(crate) fn is_frozen(&self, id: &str) -> bool {
        self.freezable(id)
            .is_some_and(|dir| freeze::is_frozen(&dir))
    }

    fn freezer_of(&self, id: &str) -> Result<(OwnedFd, PathBuf), RuntimeError> {
        let hierarchy = self.freezing().map(|at| &self.hierarchies[at]);
        let hierarchy = hierarchy.ok_or(RuntimeError::NoFreezer)?;
        let dir = self.freezable(id);
        let dir = dir.ok_or_else(|| RuntimeError::NotRunning(id.to_owned()))?;
        Ok((dir, self.path(hierarchy, id)))
    }

    fn freezable(&self, id: &str) -> Option<OwnedFd> {
        let at = self.freezing().unwrap_or(0);
        open_beneath(
            self.dirs.get(at)?,
            id,
            OFlag::O_PATH | OFlag::O_DIRECTORY,
            0,
        )
        .ok()
    }

    /// The hierarchy to freeze in: version 2 wherever it is, even beside
    /// version 1, as what it froze can be killed.
    fn freezing(&self) -> Option<usize> {
        let position = |found: &dyn Fn(&Hierarchy) -> bool| self.hierarchies.iter().position(found);
        position(&|h| h.version == Version::Two).or_else(|| position(&|h| h.has("freezer")))
    }

    /// Changes the limits of a container that are set, all or none. What this
    /// machine cannot limit is told.
    ///
    /// # Errors
    /// The kernel refuses a value; what was changed before is taken back.
    pub fn update(&self, id: &str, limits: &Resources) -> Result<Vec<String>, RuntimeError> {
        update::apply(self, id, limits)
    }

    /// What the kernel counted for a container.
    pub fn stats(&self, id: &str) -> Stats {
        stats::read(self, id)
    }

    /// The names of the cgroups below our parent, but for the shims'.
    pub(crate) fn containers(&self) -> Vec<String> {
        let listed = self.dirs.iter().filter_map(|dir| entries(dir).ok());
        let names = listed.flatten().filter_map(|n| n.into_string().ok());
        names.filter(|name| name != SHIMS).collect()
    }

    /// The pids of all shims: one that is starting is not in all hierarchies yet.
    pub(crate) fn shim_processes(&self) -> Vec<u32> {
        let open = |parent| open_beneath(parent, SHIMS, OFlag::O_PATH | OFlag::O_DIRECTORY, 0).ok();
        let shims = self.dirs.iter().filter_map(open);
        let mut pids: Vec<u32> = shims
            .filter_map(|dir| kill::processes(&dir).ok())
            .flatten()
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// A container's cgroup in version 1's freezer, through which all its
    /// processes can be killed where there is no version 2.
    pub(crate) fn freezer(&self, id: &str) -> Option<OwnedFd> {
        let has = |h: &Hierarchy| h.version == Version::One && h.has("freezer");
        let at = self.hierarchies.iter().position(has)?;
        open_beneath(&self.dirs[at], id, OFlag::O_PATH | OFlag::O_DIRECTORY, 0).ok()
    }

    /// The hierarchy that has a controller.
    pub(crate) fn with_controller(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|h| h.has(controller))
    }

    /// A container's cgroup as the kernel writes it, below a hierarchy's root.
    fn shown(&self, id: &str) -> String {
        match self.name.as_str() {
            "" => format!("/{id}"),
            name => format!("/{name}/{id}"),
        }
    }

    pub(crate) fn path(&self, hierarchy: &Hierarchy, id: &str) -> PathBuf {
        hierarchy.mount.join(&self.name).join(id)
    }
}

/// How a container sees its cgroups.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which devices can be used.
    pub devices: Access,
    /// They are mounted inside.
    pub mount: bool,
}

fn failed(path: &Path, source: Error) -> RuntimeError {
    RuntimeError::Cgroup {
        path: path.to_owned(),
        source,
    }
}

/// Makes `<parent>` below a hierarchy's root and lets its children have
/// controllers.
fn prepare_parent(hierarchy: &Hierarchy, name: &str) -> Result<OwnedFd, Error> {
    let mut dir = open_host_dir(&hierarchy.mount)?;
    for part in name.split('/') {
        hierarchy.delegate(&dir);
        dir = make(&dir, part)?;
    }
    hierarchy.delegate(&dir);
    Ok(dir)
}

/// mkdir alone: cgroupfs has its own modes.
fn make(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    match bulkhead_sys::directory::mkdirat_umask(parent, name, 0o755) {
        Err(e) if e.io_kind() != std::io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    open_beneath(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
}

fn open(dir: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    open_beneath(dir, name, OFlag::O_WRONLY, 0)
}

fn write(dir: impl AsFd, name: &str, value: &str) -> Result<(), Error> {
    let file = open_beneath(dir, name, OFlag::O_WRONLY, 0)?;
    File::from(file)
        .write_all(value.as_bytes())
        .map_err(|e| Error::new("write", format_args!("{name}, {value}"), e))
}

/// Children first; a container may have made cgroups of its own.
fn remove_tree(parent: &OwnedFd, name: &str) -> Result<(), Error> {
    let missing_is_fine = |result: Result<(), Error>| match result {
        Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    match rmdirat(parent, name) {
        Err(e) if e.io_kind() == std::io::ErrorKind::ResourceBusy => {}
        other => return missing_is_fine(other),
    }
    let dir = open_beneath(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
    for entry in bulkhead_sys::directory::entries(&dir)? {
        let entry = entry.to_string_lossy();
        let stat = bulkhead_sys::directory::stat(&dir, &*entry)?;
        if bulkhead_sys::directory::file_type(&stat) == 0o040_000 {
            remove_tree(&dir, &entry)?;
        }
    }
    missing_is_fine(rmdirat(parent, name))
}
