//! Merges a container's record and its root filesystem's mount into what the
//! runtime is told to do. Pure.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bulkhead_model::cgroup_parent::CgroupParent;
use bulkhead_model::network::{NetworkNamespace, NetworkStep};
use bulkhead_model::process::{
    BindMount, ContainerPlan, IdMap, PathList, Propagation, ReadOnly, SeccompProfile,
    SharedNamespaces, Sharing,
};
use bulkhead_model::resources::Rlimit;
use bulkhead_model::storage::{OverlayOption, RootMount};

use crate::container::Container;
use crate::error::EngineError;
use crate::files::{Addresses, NameServers};
use crate::links::Linked;
use crate::networks::Wiring;
use crate::spec::ContainerSpec;
use crate::{capabilities, command, devices, files, limits, log_options, security, tmpfs};

const DEFAULT_SHM: u64 = 64 << 20;

/// What of the host a plan depends on.
#[derive(Debug)]
pub(crate) struct HostFacts<'a> {
    /// Processors.
    pub cpus: u64,
    /// The host's resolv.conf.
    pub resolv_conf: &'a str,
    /// The host's address for containers.
    pub host_gateway: Option<IpAddr>,
    /// The user namespace of containers that do not ask for the host's.
    pub user_namespace: &'a [IdMap],
    /// What it is told of containers it links to.
    pub linked: &'a Linked,
    /// The namespaces that are not the container's own.
    pub shared: &'a SharedNamespaces,
}

/// The plan for one start.
pub(crate) fn container(
    container: &Container,
    rootfs: RootMount,
    wiring: &Wiring,
    host: &HostFacts<'_>,
) -> Result<ContainerPlan, EngineError> {
    let spec = &container.spec;
    let security = security::parse(&spec.security_opt)?;
    let mounts = mounts(container)?;
    let endpoints = wiring.endpoints.iter();
    let own: Vec<_> = endpoints.flat_map(|e| e.addresses.clone()).collect();
    let addresses = Addresses {
        own: &own,
        host_gateway: host.host_gateway,
        linked: &host.linked.hosts,
    };
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
        domainname: spec.domainname.clone(),
        args: container.args.clone(),
        // Elsewhere somebody else is the first process already, as in Docker.
        init: spec.init && host.shared.pid == Sharing::Private,
        env: command::process_env(container, &host.linked.env, spec.tty),
        cwd: PathBuf::from(&container.working_dir),
        user: container.user.clone(),
        groups: spec.group_add.clone(),
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
        apparmor: security.apparmor.filter(|_| !spec.privileged),
        masked_paths: paths(spec.masked_paths.as_ref()),
        read_only_paths: paths(spec.read_only_paths.as_ref()),
        devices: spec
            .devices
            .iter()
            .map(devices::mapping)
            .collect::<Result<_, _>>()?,
        device_rules: spec
            .device_rules
            .iter()
            .map(|rule| devices::rule(rule))
            .collect::<Result<_, _>>()?,
        shared: host.shared.clone(),
        user_namespace: user_namespace(spec, host.user_namespace)?,
        cgroup_parent: cgroup_parent(spec)?,
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
        shm_size: match spec.shm_size {
            _ if spec.no_shm => 0,
            0 => DEFAULT_SHM,
            size => size,
        },
        sysctls: spec.sysctls.clone().into_iter().collect(),
        mounts,
        tmpfs: spec
            .tmpfs
            .iter()
            .map(tmpfs::parse)
            .collect::<Result<_, _>>()?,
        files: match &host.shared.network {
            Some(peer) => files::shared(&peer.id),
            None => files::injected(
                spec,
                &container.hostname,
                &addresses,
                host.resolv_conf,
                servers,
            ),
        },
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

fn paths(list: Option<&Vec<String>>) -> PathList {
    match list {
        None => PathList::Default,
        Some(paths) => PathList::Given(paths.iter().map(PathBuf::from).collect()),
    }
}

fn mounts(container: &Container) -> Result<Vec<BindMount>, EngineError> {
    let mounts: Vec<BindMount> = container.mounts.iter().map(bind).collect();
    let shared = |mount: &&BindMount| mount.propagation == Propagation::Shared;
    for outer in mounts.iter().filter(shared) {
        // What is mounted there would be mounted on the host, too.
        let tmpfs = container.spec.tmpfs.iter().map(|t| Path::new(&t.target));
        let all = mounts.iter().map(|m| m.target.as_path()).chain(tmpfs);
        let mut inside = all.filter(|t| t.starts_with(&outer.target) && *t != outer.target);
        if let Some(inner) = inside.next() {
            return Err(EngineError::InsideShared {
                inner: inner.display().to_string(),
                outer: outer.target.display().to_string(),
            });
        }
    }
    Ok(mounts)
}

pub(crate) fn bind(mount: &crate::container::Mount) -> BindMount {
    let options = &mount.options;
    BindMount {
        source: PathBuf::from(&mount.source),
        subpath: Some(PathBuf::from(&options.subpath)).filter(|p| !p.as_os_str().is_empty()),
        target: PathBuf::from(&mount.target),
        read_only: match (mount.read_only, options.shallow_read_only) {
            (false, _) => ReadOnly::No,
            (true, true) => ReadOnly::Top,
            (true, false) => ReadOnly::Recursive,
        },
        non_recursive: options.non_recursive,
        propagation: match options.propagation.trim_start_matches('r') {
            "slave" => Propagation::Slave,
            "shared" => Propagation::Shared,
            _ => Propagation::Private,
        },
        create_source: options.create_source,
        copy_up: mount.volume.is_some() && !options.no_copy,
    }
}

/// The parent that the user named.
///
/// # Errors
/// The text names no cgroup.
pub(crate) fn cgroup_parent(spec: &ContainerSpec) -> Result<Option<CgroupParent>, EngineError> {
    match spec.cgroup_parent.as_str() {
        "" => Ok(None),
        text => Ok(Some(text.parse()?)),
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

#[cfg(test)]
mod tests {
    use bulkhead_model::storage::DirPath;

    use super::*;

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
