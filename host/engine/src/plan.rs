//! Merges a container's record and its root filesystem's mount into what the
//! runtime is told to do. Pure.

use std::path::PathBuf;

use bulkhead_model::network::{NetworkNamespace, NetworkStep};
use bulkhead_model::process::{BindMount, ContainerPlan, IdMap, SeccompProfile, SharedNamespaces};
use bulkhead_model::resources::Rlimit;
use bulkhead_model::storage::{OverlayOption, RootMount};

use crate::capabilities;
use crate::container::Container;
use crate::error::EngineError;
use crate::files::NameServers;
use crate::networks::Wiring;
use crate::spec::ContainerSpec;
use crate::{files, limits, log_options};

const DEFAULT_SHM: u64 = 64 << 20;

/// What of the host a plan depends on.
#[derive(Debug)]
pub(crate) struct HostFacts<'a> {
    /// Processors.
    pub cpus: u64,
    /// The host's resolv.conf.
    pub resolv_conf: &'a str,
    /// The user namespace of containers that do not ask for the host's.
    pub user_namespace: &'a [IdMap],
}

/// The plan for one start.
pub(crate) fn container(
    container: &Container,
    rootfs: RootMount,
    wiring: &Wiring,
    host: &HostFacts<'_>,
) -> Result<ContainerPlan, EngineError> {
    let spec = &container.spec;
    let security = security_options(&spec.security_opt)?;
    let addr = (wiring.endpoints.first()).and_then(|e| e.addresses.first().copied());
    let resolver = wiring.plan.steps.contains(&NetworkStep::Resolver);
    let servers = match wiring.plan.namespace {
        NetworkNamespace::Host => NameServers::Host,
        NetworkNamespace::Private if resolver => NameServers::Resolver,
        NetworkNamespace::Private => NameServers::Reachable,
    };
    Ok(ContainerPlan {
        id: container.id.clone(),
        storage_driver: container.storage_driver.clone(),
        rootfs: if spec.auto_remove {
            unsynced(rootfs)
        } else {
            rootfs
        },
        read_only: spec.read_only,
        hostname: container.hostname.clone(),
        args: container.args.clone(),
        env: container.env.clone(),
        cwd: PathBuf::from(&container.working_dir),
        user: container.user.clone(),
        terminal: spec.tty,
        stdin: spec.open_stdin,
        stdin_once: spec.stdin_once,
        console_size: spec.console_size,
        capabilities: capabilities::effective_set(spec.privileged, &spec.cap_add, &spec.cap_drop)?,
        privileged: spec.privileged,
        no_new_privileges: security.no_new_privileges,
        seccomp: if spec.privileged {
            SeccompProfile::Unconfined
        } else {
            security.seccomp
        },
        shared: SharedNamespaces {
            pid: spec.host_pid,
            ipc: spec.host_ipc,
            uts: spec.host_uts,
            cgroup: spec.host_cgroup,
        },
        user_namespace: user_namespace(spec, host.user_namespace)?,
        resources: limits::resources(&spec.limits, host.cpus)?,
        rlimits: spec
            .ulimits
            .iter()
            .map(|(name, soft, hard)| Rlimit {
                name: name.clone(),
                soft: *soft,
                hard: *hard,
            })
            .collect(),
        oom_score_adj: spec.oom_score_adj,
        shm_size: if spec.shm_size == 0 {
            DEFAULT_SHM
        } else {
            spec.shm_size
        },
        sysctls: spec.sysctls.clone().into_iter().collect(),
        mounts: container.mounts.iter().map(bind).collect(),
        files: files::injected(spec, &container.hostname, addr, host.resolv_conf, servers),
        log: log_options::config(container)?,
    })
}

/// A writable layer that goes with its container is worth no disk flush:
/// without `volatile` the end of an overlay mount waits until everything on
/// the filesystem beneath, whoever wrote it, is on the disk
/// (`Documentation/filesystems/overlayfs.rst`, "Volatile mount"). The
/// runtime mounts such a layer again only for a restart.
fn unsynced(mut rootfs: RootMount) -> RootMount {
    if let RootMount::Overlay {
        upper: Some(_),
        options,
        ..
    } = &mut rootfs
        && !options.contains(&OverlayOption::Volatile)
    {
        options.push(OverlayOption::Volatile);
    }
    rootfs
}

pub(crate) fn bind(mount: &crate::container::Mount) -> BindMount {
    BindMount {
        source: PathBuf::from(&mount.source),
        target: PathBuf::from(&mount.target),
        read_only: mount.read_only,
        copy_up: mount.volume.is_some(),
    }
}

/// The mapping of a container's ids; empty when it keeps the host's.
///
/// # Errors
/// It also asks for what only the host's user namespace can have.
pub(crate) fn user_namespace(
    spec: &ContainerSpec,
    configured: &[IdMap],
) -> Result<Vec<IdMap>, EngineError> {
    if configured.is_empty() || spec.host_user {
        return Ok(Vec::new());
    }
    if spec.privileged {
        return Err(EngineError::PrivilegedUserNamespace);
    }
    let shared = [
        (spec.network == "host", "host's network namespace"),
        (spec.host_pid, "host PID namespace"),
    ];
    match shared.iter().find(|(shared, _)| *shared) {
        Some((_, what)) => Err(EngineError::SharedWithUserNamespace(what)),
        None => Ok(configured.to_vec()),
    }
}

struct SecurityOptions {
    no_new_privileges: bool,
    seccomp: SeccompProfile,
}

fn security_options(options: &[String]) -> Result<SecurityOptions, EngineError> {
    let mut parsed = SecurityOptions {
        no_new_privileges: false,
        seccomp: SeccompProfile::Default,
    };
    for option in options {
        match option.replacen(':', "=", 1).as_str() {
            "no-new-privileges" | "no-new-privileges=true" => parsed.no_new_privileges = true,
            "no-new-privileges=false" => parsed.no_new_privileges = false,
            "seccomp=unconfined" => parsed.seccomp = SeccompProfile::Unconfined,
            "seccomp=builtin" | "seccomp=default" => parsed.seccomp = SeccompProfile::Default,
            "apparmor=unconfined" | "label=disable" => {}
            _ => return Err(EngineError::SecurityOption(option.clone())),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::storage::DirPath;

    use super::*;

    #[test]
    fn an_unknown_security_option_is_refused_by_name() {
        assert!(
            security_options(&["no-new-privileges:true".into()])
                .unwrap()
                .no_new_privileges
        );
        assert!(
            matches!(security_options(&["seccomp=/x.json".into()]), Err(EngineError::SecurityOption(o)) if o == "seccomp=/x.json")
        );
    }

    #[test]
    fn a_user_namespace_is_everyones_who_does_not_ask_for_the_hosts() {
        let map = [IdMap {
            inside: 0,
            host: 100_000,
            count: 65_536,
        }];
        let plain = ContainerSpec::default();
        assert_eq!(user_namespace(&plain, &map).unwrap(), map);
        assert!(user_namespace(&plain, &[]).unwrap().is_empty());
        for asked in [
            |spec: &mut ContainerSpec| spec.privileged = true,
            |spec: &mut ContainerSpec| spec.host_pid = true,
            |spec: &mut ContainerSpec| spec.network = "host".into(),
        ] {
            let mut spec = ContainerSpec::default();
            asked(&mut spec);
            assert!(user_namespace(&spec, &map).is_err());
            assert!(user_namespace(&spec, &[]).unwrap().is_empty());
            spec.host_user = true;
            assert!(user_namespace(&spec, &map).unwrap().is_empty());
        }
    }

    #[test]
    fn only_a_writable_overlay_is_kept_from_syncing() {
        let dir = || DirPath(Vec::new());
        let overlay = |upper| RootMount::Overlay {
            lower: vec![dir()],
            upper,
            options: vec![OverlayOption::NoIndex],
        };
        let read_only = overlay(None);
        assert_eq!(unsynced(read_only.clone()), read_only);
        let RootMount::Overlay { options, .. } = unsynced(overlay(Some((dir(), dir())))) else {
            panic!("another kind of mount");
        };
        assert_eq!(options, [OverlayOption::NoIndex, OverlayOption::Volatile]);
    }
}
