//! Where the runtime keeps things, by descriptor.
//!
//! ```text
//! <data-root>/storage/<driver>/      a storage driver's root
//! <data-root>/containers/<id>/       log, hosts, hostname, resolv.conf
//! <data-root>/volumes/<name>/_data   a volume's files, or what is mounted there
//! <exec-root>/made-cgroups           cgroups made for containers' that hang elsewhere
//! <exec-root>/shims/<id>/            shim.sock, exit, log of the shim itself, cgroup (its parent)
//! <exec-root>/shims/<id>/exec/<exec>/  the same of one more process
//! ```

use std::os::fd::OwnedFd;
use std::path::Path;

use bulkhead_model::process::ProcessRef;
use bulkhead_sys::directory::ensure_dir;
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use crate::error::RuntimeError;

/// A shim's socket in its state directory.
pub const SOCKET: &str = "shim.sock";
/// The exit record in its state directory.
pub const EXIT: &str = "exit";
/// The folder of the state directories of a container's other processes.
pub(crate) const EXECS: &str = "exec";
/// What the engine wants to know again of such a process.
pub(crate) const EXEC_NOTE: &str = "note";
/// What the shim itself writes to its standard error.
pub const SHIM_LOG: &str = "log";

/// The directories everything is opened beneath.
#[derive(Debug)]
pub(crate) struct Layout {
    containers: OwnedFd,
    pub(crate) volumes: OwnedFd,
    pub(crate) shims: OwnedFd,
    pub(crate) exec: OwnedFd,
}

impl Layout {
    pub(crate) fn open(data_root: &Path, exec_root: &Path) -> Result<Self, RuntimeError> {
        let data = make_root(data_root)?;
        let exec = make_root(exec_root)?;
        Ok(Self {
            containers: ensure_dir(&data, "containers", 0o700)?,
            volumes: ensure_dir(&data, "volumes", 0o711)?,
            shims: ensure_dir(&exec, "shims", 0o700)?,
            exec,
        })
    }

    /// A container's state folder, made if missing.
    pub(crate) fn container(&self, id: &str) -> Result<OwnedFd, RuntimeError> {
        Ok(ensure_dir(&self.containers, id, 0o700)?)
    }

    /// A shim's state directory.
    pub(crate) fn shim(&self, id: &str) -> bulkhead_sys::Result<OwnedFd> {
        open_beneath(&self.shims, id, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
    }

    /// The state directory of a process's shim.
    pub(crate) fn process(&self, process: &ProcessRef) -> bulkhead_sys::Result<OwnedFd> {
        let container = process.container.as_str();
        match &process.exec {
            None => self.shim(container),
            Some(exec) => self.shim(&format!("{container}/{EXECS}/{}", exec.as_str())),
        }
    }
}

pub(crate) fn make_root(path: &Path) -> Result<OwnedFd, RuntimeError> {
    use std::os::unix::fs::DirBuilderExt;
    let failed = |source| RuntimeError::State {
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(failed)?;
    Ok(open_host_dir(path)?)
}
