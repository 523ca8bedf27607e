//! `POST /containers/create`: the wire's request into the engine's
//! specification. What this daemon cannot do yet is refused by name, never
//! silently dropped.

use std::net::Ipv4Addr;

use bulkhead_api::container::{ContainerConfig, CreateRequest, HostConfig, Mount};
use bulkhead_api::network::PortMap;
use bulkhead_engine::spec::{ContainerSpec, Limits, MountSource, MountSpec, PortSpec};

/// A request this daemon cannot take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRequest {
    /// Understood, but not built yet.
    #[error("{0} is not supported by this daemon")]
    Unsupported(String),
    /// Docker's words for a volume.
    #[error("invalid volume specification: '{0}'")]
    Bind(String),
    /// A mount in the long form.
    #[error("invalid mount config for type \"{kind}\": {why}")]
    Mount {
        /// `bind`, `volume`, …
        kind: String,
        /// What is wrong.
        why: String,
    },
    /// A port or a protocol.
    #[error("invalid port specification: \"{0}\"")]
    Port(String),
    /// A host address that is not IPv4.
    #[error("invalid host address \"{0}\": expected an IPv4 address")]
    HostAddress(String),
    /// A container's address.
    #[error("invalid IPv4 address: {0}")]
    Address(String),
    /// A mode with a word nobody knows.
    #[error("invalid {what} mode: {mode}")]
    Mode {
        /// `PID`, `IPC`, `UTS`, `cgroup namespace`.
        what: &'static str,
        /// The word.
        mode: String,
    },
    /// `oom_score_adj(5)` has a range.
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i64),
    /// Docker's words for a restart policy.
    #[error("invalid restart policy: {0}")]
    RestartPolicy(String),
    /// A sysctl key that smuggles another.
    #[error("invalid sysctl {0:?}: only namespaced keys in dotted form are allowed")]
    Sysctl(String),
}

/// Converts the whole request.
pub fn spec(request: &CreateRequest) -> Result<ContainerSpec, BadRequest> {
    let (config, host) = (&request.config, &request.host_config);
    refuse_unsupported(config, host)?;
    let network = match host.network_mode.as_str() {
        _ if config.network_disabled => "none",
        "" | "default" => request
            .networking_config
            .endpoints_config
            .keys()
            .next()
            .map_or("bridge", |n| if n == "default" { "bridge" } else { n }),
        mode => mode,
    };
    Ok(ContainerSpec {
        image: config.image.clone(),
        entrypoint: config.entrypoint.clone().filter(|e| !e.is_empty()),
        cmd: config.cmd.clone(),
        env: config.env.clone(),
        user: config.user.clone(),
        working_dir: config.working_dir.clone(),
        hostname: config.hostname.clone(),
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        console_size: console_size(host),
        labels: config.labels.clone(),
        stop_signal: Some(config.stop_signal.clone()).filter(|s| !s.is_empty()),
        stop_timeout: config.stop_timeout,
        storage_driver: Some(host.storage_driver.clone()).filter(|s| !s.is_empty()),
        network: network.to_owned(),
        endpoints: super::networks::endpoints(&request.networking_config)?,
        ports: ports(&host.port_bindings)?,
        publish_all: host.publish_all_ports,
        mounts: mounts(config, host)?,
        limits: limits(host),
        cap_add: host.cap_add.clone(),
        cap_drop: host.cap_drop.clone(),
        privileged: host.privileged,
        read_only: host.readonly_rootfs,
        auto_remove: host.auto_remove,
        restart: super::restart::policy(&host.restart_policy)?,
        security_opt: host.security_opt.clone(),
        host_pid: is_host("PID", &host.pid_mode, &[""])?,
        host_ipc: is_host("IPC", &host.ipc_mode, &["", "private", "shareable"])?,
        host_uts: is_host("UTS", &host.uts_mode, &[""])?,
        host_cgroup: is_host("cgroup namespace", &host.cgroupns_mode, &["", "private"])?,
        host_user: host.userns_mode == "host",
        oom_score_adj: oom_score(host.oom_score_adj)?,
        shm_size: u64::try_from(host.shm_size).unwrap_or(0),
        sysctls: sysctls(host)?,
        ulimits: host
            .ulimits
            .iter()
            .map(|u| (u.name.clone(), limit_value(u.soft), limit_value(u.hard)))
            .collect(),
        extra_hosts: host.extra_hosts.clone(),
        dns: host.dns.clone(),
        dns_search: host.dns_search.clone(),
        dns_options: host.dns_options.clone(),
        log_driver: host.log_config.kind.clone(),
        log_opts: host.log_config.config.clone(),
        config_json: serde_json::to_string(config).unwrap_or_default(),
        host_config_json: serde_json::to_string(host).unwrap_or_default(),
    })
}

fn refuse_unsupported(config: &ContainerConfig, host: &HostConfig) -> Result<(), BadRequest> {
    let asked = [
        (
            config
                .healthcheck
                .as_ref()
                .is_some_and(|h| h.test.first().is_some_and(|t| t != "NONE")),
            "a health check".into(),
        ),
        (host.init == Some(true), "--init".into()),
        (!host.devices.is_empty(), "--device".into()),
        (!host.device_requests.is_empty(), "--gpus".into()),
        (
            !host.device_cgroup_rules.is_empty(),
            "--device-cgroup-rule".into(),
        ),
        (!host.volumes_from.is_empty(), "--volumes-from".into()),
        (!host.links.is_empty(), "--link".into()),
        (!host.group_add.is_empty(), "--group-add".into()),
        (!host.storage_opt.is_empty(), "--storage-opt".into()),
        (!host.tmpfs.is_empty(), "--tmpfs".into()),
        (
            !matches!(host.volume_driver.as_str(), "" | "local"),
            format!("volume driver {}", host.volume_driver),
        ),
        (
            !matches!(host.userns_mode.as_str(), "" | "host"),
            format!("--userns={}", host.userns_mode),
        ),
        (!host.cgroup_parent.is_empty(), "--cgroup-parent".into()),
        (
            !matches!(
                host.runtime.as_str(),
                "" | "bulkhead" | "runc" | "io.containerd.runc.v2"
            ),
            format!("runtime {}", host.runtime),
        ),
        (
            host.memory_swappiness.is_some_and(|s| s >= 0),
            "--memory-swappiness".into(),
        ),
        (
            !host.blkio_weight_device.is_empty(),
            "--blkio-weight-device".into(),
        ),
        (
            ![
                &host.blkio_device_read_bps,
                &host.blkio_device_write_bps,
                &host.blkio_device_read_iops,
                &host.blkio_device_write_iops,
            ]
            .iter()
            .all(|d| d.is_empty()),
            "a device rate limit".into(),
        ),
        (
            host.cpu_realtime_period != 0 || host.cpu_realtime_runtime != 0,
            "--cpu-rt-*".into(),
        ),
        (!config.mac_address.is_empty(), "--mac-address".into()),
        (
            host.network_mode.starts_with("container:"),
            format!("--network {}", host.network_mode),
        ),
        (
            host.masked_paths.is_some()
                && host
                    .security_opt
                    .iter()
                    .any(|o| o.starts_with("systempaths")),
            "systempaths".into(),
        ),
    ];
    match asked.into_iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(BadRequest::Unsupported(what)),
        None => Ok(()),
    }
}

fn console_size(host: &HostConfig) -> Option<(u16, u16)> {
    let [rows, columns] = host.console_size.map(|n| u16::try_from(n).unwrap_or(0));
    (rows > 0 && columns > 0).then_some((columns, rows))
}

fn is_host(what: &'static str, mode: &str, own: &[&str]) -> Result<bool, BadRequest> {
    match mode {
        "host" => Ok(true),
        mode if own.contains(&mode) => Ok(false),
        mode if mode.starts_with("container:") => {
            Err(BadRequest::Unsupported(format!("{what} mode {mode}")))
        }
        mode => Err(BadRequest::Mode {
            what,
            mode: mode.to_owned(),
        }),
    }
}

fn oom_score(score: i64) -> Result<i32, BadRequest> {
    i32::try_from(score)
        .ok()
        .filter(|s| (-1000..=1000).contains(s))
        .ok_or(BadRequest::OomScore(score))
}

fn limit_value(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Keys in the form `net.ipv4.ip_forward`; anything else could name a file
/// outside the namespace (CVE-2022-0811 put a second sysctl behind a `+`).
fn sysctls(host: &HostConfig) -> Result<std::collections::BTreeMap<String, String>, BadRequest> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    for (key, value) in &host.sysctls {
        let fits = !key.is_empty()
            && key.bytes().all(plain)
            && !key.contains("..")
            && !value.contains(['\n', '\0']);
        if !fits {
            return Err(BadRequest::Sysctl(key.clone()));
        }
    }
    Ok(host.sysctls.clone())
}

fn limits(host: &HostConfig) -> Limits {
    Limits {
        memory: host.memory,
        memory_swap: host.memory_swap,
        memory_reservation: host.memory_reservation,
        nano_cpus: host.nano_cpus,
        cpu_period: host.cpu_period,
        cpu_quota: host.cpu_quota,
        cpu_shares: host.cpu_shares,
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        pids: host.pids_limit.unwrap_or(0),
        blkio_weight: host.blkio_weight,
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
    }
}

fn ports(map: &PortMap) -> Result<Vec<PortSpec>, BadRequest> {
    let mut ports = Vec::new();
    for (key, bindings) in map {
        let bad = || BadRequest::Port(key.clone());
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let container_port = port.parse().ok().filter(|p| *p > 0).ok_or_else(bad)?;
        if !matches!(protocol, "tcp" | "udp") {
            return Err(BadRequest::Unsupported(format!(
                "publishing {protocol} ports"
            )));
        }
        for binding in bindings.as_deref().unwrap_or_default() {
            let host_port = if binding.host_port.is_empty() {
                0
            } else {
                binding
                    .host_port
                    .parse()
                    .map_err(|_| BadRequest::Port(binding.host_port.clone()))?
            };
            let host_addr = match binding.host_ip.as_str() {
                "" => Ipv4Addr::UNSPECIFIED,
                ip => ip
                    .parse()
                    .map_err(|_| BadRequest::HostAddress(ip.to_owned()))?,
            };
            ports.push(PortSpec {
                protocol: protocol.to_owned(),
                container_port,
                host_addr,
                host_port,
            });
        }
    }
    Ok(ports)
}

fn mounts(config: &ContainerConfig, host: &HostConfig) -> Result<Vec<MountSpec>, BadRequest> {
    let mut mounts = Vec::new();
    for bind in &host.binds {
        mounts.push(bind_spec(bind)?);
    }
    for mount in &host.mounts {
        mounts.push(mount_spec(mount)?);
    }
    for target in config.volumes.keys() {
        if !mounts.iter().any(|m| m.target == *target) {
            mounts.push(MountSpec {
                source: MountSource::Anonymous,
                target: target.clone(),
                read_only: false,
            });
        }
    }
    Ok(mounts)
}

/// `source:target[:options]` or `target`.
fn bind_spec(bind: &str) -> Result<MountSpec, BadRequest> {
    let bad = || BadRequest::Bind(bind.to_owned());
    let parts: Vec<&str> = bind.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (MountSource::Anonymous, *target, ""),
        [source, target] => (mount_source(source), *target, ""),
        [source, target, options] => (mount_source(source), *target, *options),
        _ => return Err(bad()),
    };
    if target.is_empty() || matches!(&source, MountSource::Volume(n) if n.is_empty()) {
        return Err(bad());
    }
    let mut read_only = false;
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => read_only = true,
            // z and Z relabel for SELinux, which is not in use; the rest are the defaults.
            "rw" | "z" | "Z" | "rprivate" | "private" | "nocopy" => {}
            _ => return Err(bad()),
        }
    }
    Ok(MountSpec {
        source,
        target: target.to_owned(),
        read_only,
    })
}

fn mount_source(text: &str) -> MountSource {
    if text.starts_with('/') {
        MountSource::Host(text.to_owned())
    } else {
        MountSource::Volume(text.to_owned())
    }
}

fn mount_spec(mount: &Mount) -> Result<MountSpec, BadRequest> {
    let source = match (mount.kind.as_str(), mount.source.as_str()) {
        ("bind", path) if path.starts_with('/') => MountSource::Host(path.to_owned()),
        ("bind", path) => {
            let why = format!("invalid mount path: '{path}' mount path must be absolute");
            return Err(BadRequest::Mount {
                kind: mount.kind.clone(),
                why,
            });
        }
        ("volume" | "", "") => MountSource::Anonymous,
        ("volume" | "", name) => MountSource::Volume(name.to_owned()),
        (kind, _) => return Err(BadRequest::Unsupported(format!("mount type {kind:?}"))),
    };
    Ok(MountSpec {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let bind = |text| bind_spec(text).unwrap();
        assert_eq!(
            bind("/a:/b:ro"),
            MountSpec {
                source: MountSource::Host("/a".into()),
                target: "/b".into(),
                read_only: true
            }
        );
        assert_eq!(bind("data:/d").source, MountSource::Volume("data".into()));
        assert_eq!(bind("/only").source, MountSource::Anonymous);
        for bad in ["", ":/x", "a:/b:c:d", "/a:/b:sideways", "/a:"] {
            assert!(bind_spec(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_sysctl_key_cannot_smuggle_another() {
        let with = |key: &str, value: &str| {
            let host = HostConfig {
                sysctls: [(key.to_owned(), value.to_owned())].into(),
                ..Default::default()
            };
            sysctls(&host)
        };
        assert!(with("net.ipv4.ip_forward", "1").is_ok());
        for (key, value) in [
            ("kernel.shm_rmid_forced+kernel.core_pattern", "1"),
            ("a\nb", "1"),
            ("a/b", "1"),
            ("a..b", "1"),
            ("net.x", "1\n2"),
        ] {
            assert!(with(key, value).is_err(), "{key:?}={value:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let mut request = CreateRequest::default();
        request.host_config.cgroup_parent = "x".into();
        assert_eq!(
            spec(&request).unwrap_err().to_string(),
            "--cgroup-parent is not supported by this daemon"
        );
        request.host_config.cgroup_parent.clear();
        assert!(spec(&request).is_ok());
    }

    #[test]
    fn ports_of_each_binding_are_listed() {
        let json = br#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"127.0.0.1","HostPort":""}]}}}"#;
        let request = CreateRequest::decode(json).unwrap();
        let ports = spec(&request).unwrap().ports;
        assert_eq!(ports.len(), 2);
        assert_eq!(
            (ports[0].host_port, ports[1].host_addr),
            (8080, Ipv4Addr::LOCALHOST)
        );
    }
}
