//! Merges a container's record and what is to run in it. Pure.

use std::path::PathBuf;

use bulkhead_model::process::{ExecPlan, ProcessRef, SeccompProfile};
use bulkhead_model::resources::Rlimit;

use super::{ExecSpec, note};
use crate::container::Container;
use crate::error::EngineError;
use crate::{capabilities, command, security};

/// The plan for one more process; `linked` are the variables of containers
/// that its own links to.
pub(super) fn exec(
    container: &Container,
    spec: &ExecSpec,
    process: ProcessRef,
    linked: &[String],
) -> Result<ExecPlan, EngineError> {
    let own = &container.spec;
    let security = security::parse(&own.security_opt)?;
    let set = |privileged| capabilities::effective_set(privileged, &own.cap_add, &own.cap_drop);
    let or = |given: &String, default: &String| {
        let empty = given.is_empty();
        if empty { default } else { given }.clone()
    };
    let limit = |(name, soft, hard): &(String, u64, u64)| Rlimit {
        name: name.clone(),
        soft: *soft,
        hard: *hard,
    };
    Ok(ExecPlan {
        process,
        args: spec.args.clone(),
        env: environment(container, spec, linked),
        cwd: PathBuf::from(or(&spec.working_dir, &container.working_dir)),
        user: or(&spec.user, &container.user),
        groups: own.group_add.clone(),
        terminal: spec.tty,
        stdin: spec.stdin,
        console_size: spec.console_size,
        capabilities: set(spec.privileged || own.privileged)?,
        filter_capabilities: set(own.privileged)?,
        no_new_privileges: security.no_new_privileges,
        // Docker's privileged processes have all capabilities, but filter and
        // profile are the container's.
        apparmor: security.apparmor.filter(|_| !own.privileged),
        seccomp: if own.privileged {
            SeccompProfile::Unconfined
        } else {
            security.seccomp
        },
        rlimits: own.ulimits.iter().map(limit).collect(),
        oom_score_adj: own.oom_score_adj,
        note: note::write(spec),
    })
}

/// The container's, then what was given; TERM for its own terminal only.
fn environment(container: &Container, spec: &ExecSpec, linked: &[String]) -> Vec<String> {
    let mut env = command::process_env(container, linked, spec.tty);
    for entry in &spec.env {
        command::set(&mut env, entry);
    }
    env
}
