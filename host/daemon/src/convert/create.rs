//! `POST /containers/create`: the wire's request into the engine's
//! specification. What this daemon cannot do yet is refused by name, never
//! silently dropped.

use bulkhead_api::container::{ContainerConfig, CreateRequest, HostConfig};
use bulkhead_engine::spec::{ContainerSpec, DeviceSpec, EndpointSpec, HOST_GATEWAY};

use super::bad_request::BadRequest;
use super::limits::{limits, oom_score, ulimits};
use super::modes;
use super::ports::ports;

/// Converts the whole request.
pub fn spec(request: &CreateRequest) -> Result<ContainerSpec, BadRequest> {
    let (config, host) = (&request.config, &request.host_config);
    modes::refuse_conflicts(config, host)?;
    refuse_unsupported(host)?;
    if host.shm_size < 0 {
        return Err(BadRequest::ShmSize);
    }
    let own_ipc = ["", "private", "shareable", "none"];
    let ipc = modes::read("IPC", &host.ipc_mode, &own_ipc)?;
    let pid = modes::read("PID", &host.pid_mode, &[""])?;
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
        env: environment(config)?,
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
        storage_size: storage_size(host)?,
        network: network.to_owned(),
        endpoints: endpoints(request, network)?,
        ports: ports(&host.port_bindings)?,
        publish_all: host.publish_all_ports,
        mounts: super::mounts::mounts(config, host)?,
        tmpfs: super::mounts::tmpfs(host)?,
        volumes_from: host.volumes_from.clone(),
        devices: devices(host),
        device_rules: host.device_cgroup_rules.clone(),
        masked_paths: paths("MaskedPaths", &host.masked_paths)?,
        read_only_paths: paths("ReadonlyPaths", &host.readonly_paths)?,
        domainname: config.domainname.clone(),
        init: host.init.unwrap_or(false),
        group_add: host.group_add.clone(),
        limits: limits(host),
        cap_add: host.cap_add.clone(),
        cap_drop: host.cap_drop.clone(),
        privileged: host.privileged,
        read_only: host.readonly_rootfs,
        auto_remove: host.auto_remove,
        health: config
            .healthcheck
            .as_ref()
            .map(super::health::spec)
            .transpose()?,
        restart: super::restart::policy(&host.restart_policy)?,
        security_opt: host.security_opt.clone(),
        host_pid: pid.is_host(),
        pid_of: pid.container(),
        host_ipc: ipc.is_host(),
        ipc_of: ipc.container(),
        shareable_ipc: host.ipc_mode == "shareable",
        no_shm: host.ipc_mode == "none",
        host_uts: modes::read("UTS", &host.uts_mode, &[""])?.is_host(),
        host_cgroup: modes::read("cgroup namespace", &host.cgroupns_mode, &["", "private"])?
            .is_host(),
        host_user: modes::read("USER", &host.userns_mode, &[""])?.is_host(),
        cgroup_parent: host.cgroup_parent.clone(),
        oom_score_adj: oom_score(host.oom_score_adj)?,
        shm_size: u64::try_from(host.shm_size).unwrap_or(0),
        sysctls: sysctls(host)?,
        ulimits: ulimits(host)?,
        links: host.links.clone(),
        exposed: config.exposed_ports.keys().cloned().collect(),
        extra_hosts: extra_hosts(host)?,
        dns: host.dns.clone(),
        dns_search: host.dns_search.clone(),
        dns_options: host.dns_options.clone(),
        log_driver: host.log_config.kind.clone(),
        log_opts: host.log_config.config.clone(),
        config_json: serde_json::to_string(config).unwrap_or_default(),
        host_config_json: serde_json::to_string(host).unwrap_or_default(),
    })
}

fn refuse_unsupported(host: &HostConfig) -> Result<(), BadRequest> {
    let asked = [(
        !matches!(host.isolation.as_str(), "" | "default"),
        format!("isolation {:?}", host.isolation),
    )];
    if let Some((_, what)) = asked.into_iter().find(|(asked, _)| *asked) {
        return Err(BadRequest::Unsupported(what));
    }
    let runtimes = ["", "bulkhead", "runc", "io.containerd.runc.v2"];
    if !runtimes.contains(&host.runtime.as_str()) {
        return Err(BadRequest::Runtime(host.runtime.clone()));
    }
    match host.device_requests.first() {
        Some(request) => Err(BadRequest::DeviceDriver {
            driver: request.driver.clone(),
            capabilities: go_lists(&request.capabilities),
        }),
        None => Ok(()),
    }
}

/// `--storage-opt size=`; no driver knows another option of a container.
fn storage_size(host: &HostConfig) -> Result<Option<u64>, BadRequest> {
    let mut size = None;
    for (name, value) in &host.storage_opt {
        if !name.eq_ignore_ascii_case("size") {
            return Err(BadRequest::StorageOption(name.clone()));
        }
        let parsed = bulkhead_model::size::parse(value);
        size = Some(parsed.ok_or_else(|| BadRequest::StorageSize(value.clone()))?);
    }
    Ok(size)
}

/// `[[gpu] [compute utility]]`
fn go_lists(lists: &[Vec<String>]) -> String {
    let inner: Vec<String> = lists
        .iter()
        .map(|list| format!("[{}]", list.join(" ")))
        .collect();
    format!("[{}]", inner.join(" "))
}

/// Each has a name; without a value it takes the image's away.
fn environment(config: &ContainerConfig) -> Result<Vec<String>, BadRequest> {
    let bad = |entry: &&String| entry.is_empty() || entry.starts_with('=') || entry.contains('\0');
    match config.env.iter().find(bad) {
        Some(entry) => Err(BadRequest::Environment(entry.clone())),
        None => Ok(config.env.clone()),
    }
}

fn extra_hosts(host: &HostConfig) -> Result<Vec<String>, BadRequest> {
    for entry in &host.extra_hosts {
        let form = || BadRequest::ExtraHostForm(entry.clone());
        let (name, address) = entry.split_once([':', '=']).ok_or_else(form)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(form());
        }
        if address != HOST_GATEWAY && address.parse::<std::net::IpAddr>().is_err() {
            return Err(BadRequest::ExtraHost(address.to_owned()));
        }
    }
    Ok(host.extra_hosts.clone())
}

fn paths(
    field: &'static str,
    list: &Option<Vec<String>>,
) -> Result<Option<Vec<String>>, BadRequest> {
    for path in list.iter().flatten() {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(BadRequest::Path {
                field,
                path: path.clone(),
            });
        }
    }
    Ok(list.clone())
}

fn devices(host: &HostConfig) -> Vec<DeviceSpec> {
    let convert = |device: &bulkhead_api::container::DeviceMapping| DeviceSpec {
        source: device.path_on_host.clone(),
        target: device.path_in_container.clone(),
        access: device.cgroup_permissions.clone(),
    };
    host.devices.iter().map(convert).collect()
}

fn console_size(host: &HostConfig) -> Option<(u16, u16)> {
    let [rows, columns] = host.console_size.map(|n| u16::try_from(n).unwrap_or(0));
    (rows > 0 && columns > 0).then_some((columns, rows))
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

/// What is asked of the container's places. Before API 1.44 the hardware
/// address of the mode's network stood apart.
fn endpoints(request: &CreateRequest, network: &str) -> Result<Vec<EndpointSpec>, BadRequest> {
    let mut all = super::networks::endpoints(&request.networking_config)?;
    let Some(mac) = super::networks::hardware_address(&request.config.mac_address)? else {
        return Ok(all);
    };
    let named = |e: &&mut EndpointSpec| {
        e.network == network || (network == "bridge" && e.network == "default")
    };
    match all.iter_mut().find(named) {
        Some(place) if place.mac.as_ref().is_some_and(|m| *m != mac) => {
            return Err(BadRequest::Conflict(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
            ));
        }
        Some(place) => place.mac = Some(mac),
        None => all.push(EndpointSpec {
            network: network.to_owned(),
            mac: Some(mac),
            ..EndpointSpec::default()
        }),
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        request.host_config.isolation = "hyperv".into();
        assert_eq!(
            spec(&request).unwrap_err().to_string(),
            "isolation \"hyperv\" is not supported by this daemon"
        );
        request.host_config.isolation.clear();
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
            (8080, Some(std::net::Ipv4Addr::LOCALHOST.into()))
        );
    }

    #[test]
    fn the_hardware_address_of_old_clients_is_the_modes_networks() {
        let of = |json: &str| {
            let request = CreateRequest::decode(json.as_bytes()).unwrap();
            spec(&request).map(|s| s.endpoints)
        };
        let asked = of(r#"{"MacAddress":"02:00:00:00:00:07"}"#).unwrap();
        let shown = (asked[0].network.as_str(), asked[0].mac.as_deref());
        assert_eq!(shown, ("bridge", Some("02:00:00:00:00:07")));
        let refused = of(r#"{"MacAddress":"01:00:5e:00:00:01"}"#).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid MAC address: 01:00:5e:00:00:01"
        );
    }
}
