//! One more process in a running container.

use std::path::PathBuf;

use super::SeccompProfile;
use crate::resources::Rlimit;
use crate::{ContainerId, ExecId};

/// A process that a shim is the parent of: a container's first, or one that
/// was started in it later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessRef {
    /// The container.
    pub container: ContainerId,
    /// Absent: the container's first process.
    pub exec: Option<ExecId>,
}

impl ProcessRef {
    /// A container's first process.
    pub fn first(container: &ContainerId) -> Self {
        Self {
            container: container.clone(),
            exec: None,
        }
    }

    /// A process started later.
    pub fn exec(container: &ContainerId, exec: &ExecId) -> Self {
        Self {
            container: container.clone(),
            exec: Some(exec.clone()),
        }
    }
}

/// Everything needed to start one more process in a running container. It
/// joins the container's namespaces and cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlan {
    /// The container and the new process.
    pub process: ProcessRef,
    /// The command line; never empty.
    pub args: Vec<String>,
    /// The environment, `NAME=value`, complete but for HOME.
    pub env: Vec<String>,
    /// The working directory inside.
    pub cwd: PathBuf,
    /// `name|uid[:group|gid]`, looked up in the container's own files.
    pub user: String,
    /// Supplementary groups beside the user's own.
    pub groups: Vec<String>,
    /// Give it a pseudo terminal.
    pub terminal: bool,
    /// Keep its standard input open for clients.
    pub stdin: bool,
    /// Initial terminal size: columns, rows.
    pub console_size: Option<(u16, u16)>,
    /// The bounding, effective and permitted sets.
    pub capabilities: u64,
    /// The container's bounding set, for which its filter is made.
    pub filter_capabilities: u64,
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: SeccompProfile,
    /// The AppArmor profile to change to; absent: none is asked for.
    pub apparmor: Option<String>,
    /// Resource limits of the process.
    pub rlimits: Vec<Rlimit>,
    /// -1000 to 1000.
    pub oom_score_adj: i32,
    /// What whoever asked wants to find again (`Runtime::noted_exec`).
    pub note: Vec<u8>,
}
