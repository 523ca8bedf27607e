//! `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use bulkhead_api::container::{
    ContainerConfig, ContainerInspect, ContainerState, EmptyObject, GraphDriver, HostConfig,
    LogConfig, MountPoint, NetworkSettings,
};
use bulkhead_api::network::{EndpointIpam, EndpointSettings, PortBinding, PortMap};
use bulkhead_engine::container::{Container, Endpoint, Membership, Mount};
use bulkhead_engine::networks::names;
use bulkhead_engine::spec::ContainerSpec;
use bulkhead_model::container::State;
use bulkhead_model::image::ImageConfig;
use bulkhead_model::network::Family;
use serde::de::DeserializeOwned;

use super::rfc3339;

/// Bytes of /dev/shm when neither the request nor the configuration says.
const DEFAULT_SHM: i64 = 64 << 20;

/// The whole answer. `image` is the container's, unless it was removed by
/// force; `folder` is the container's state folder.
pub fn inspect(
    record: &Container,
    image: Option<&ImageConfig>,
    folder: &std::path::Path,
) -> ContainerInspect {
    let spec = &record.spec;
    let config = config(record, image);
    let in_folder = |name: &str| folder.join(name).to_string_lossy().into_owned();
    ContainerInspect {
        id: record.id.to_string(),
        created: rfc3339(record.created_at),
        path: record.args.first().cloned().unwrap_or_default(),
        args: record.args.iter().skip(1).cloned().collect(),
        state: state(record),
        restart_count: i64::from(record.restart_count),
        image: record.image_id.clone(),
        resolv_conf_path: in_folder("resolv.conf"),
        hostname_path: in_folder("hostname"),
        hosts_path: in_folder("hosts"),
        log_path: match spec.log_driver.as_str() {
            "" | "json-file" => in_folder(&format!("{}-json.log", record.id)),
            _ => String::new(),
        },
        name: format!("/{}", record.name),
        driver: record.storage_driver.clone(),
        platform: "linux".to_owned(),
        host_config: HostConfig {
            links: links(record),
            ..host_config(spec)
        },
        graph_driver: GraphDriver {
            name: record.storage_driver.clone(),
            data: plugins(record),
        },
        mounts: mounts(record),
        network_settings: network_settings(record, &config),
        config,
        ..ContainerInspect::default()
    }
}

/// The request's settings over the image's, as `create` merged them.
pub fn config(record: &Container, image: Option<&ImageConfig>) -> ContainerConfig {
    let spec = &record.spec;
    let mut config: ContainerConfig = as_asked("Config", &spec.config_json);
    config.hostname = record.hostname.clone();
    config.env = record.env.clone();
    config.user = record.user.clone();
    config.labels = spec.labels.clone();
    let Some(image) = image else { return config };
    if spec.working_dir.is_empty() {
        config.working_dir = image.working_dir.clone();
    }
    if spec.entrypoint.is_none() {
        config.entrypoint = image.entrypoint.clone();
        let before = image.entrypoint.as_ref().map_or(0, Vec::len);
        config.cmd = record.args.get(before..).map(<[String]>::to_vec);
    }
    let nothing = |name: &String| (name.clone(), EmptyObject {});
    config.volumes.extend(image.volumes.iter().map(nothing));
    config
        .exposed_ports
        .extend(image.exposed_ports.iter().map(nothing));
    config
}

/// What holds for a container that said nothing, as Docker shows it.
fn show_defaults(spec: &ContainerSpec, config: &mut HostConfig) {
    for mode in [&mut config.ipc_mode, &mut config.cgroupns_mode] {
        if mode.is_empty() {
            *mode = "private".to_owned();
        }
    }
    if config.shm_size == 0 {
        config.shm_size = match i64::try_from(spec.shm_size) {
            Ok(size) if size > 0 => size,
            _ => DEFAULT_SHM,
        };
    }
    config.memory_swappiness = config.memory_swappiness.filter(|s| *s >= 0);
    config.pids_limit = config.pids_limit.filter(|most| *most != 0);
    // Docker's answer to what no label could hold back.
    let labelled = |option: &String| option.starts_with("label");
    let beyond = spec.privileged || spec.host_ipc || spec.host_pid;
    if beyond && !config.security_opt.iter().any(labelled) {
        config.security_opt.push("label=disable".to_owned());
    }
    if !spec.privileged {
        let [masked, read_only] = bulkhead_runtime::default_protected_paths();
        config.masked_paths.get_or_insert(masked);
        config.readonly_paths.get_or_insert(read_only);
    }
}

/// `/container:/own name/alias`
fn links(record: &Container) -> Vec<String> {
    let shown = |text: &String| {
        let (container, alias) = bulkhead_engine::links::parse(text);
        format!("/{container}:/{}/{alias}", record.name)
    };
    record.spec.links.iter().map(shown).collect()
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let mut config: HostConfig = as_asked("HostConfig", &spec.host_config_json);
    if matches!(config.network_mode.as_str(), "" | "default") {
        config.network_mode = "bridge".to_owned();
    }
    if config.runtime.is_empty() {
        config.runtime = crate::routes::info::RUNTIME.to_owned();
    }
    config.oom_kill_disable.get_or_insert(false);
    super::update::in_force(spec, &mut config);
    show_defaults(spec, &mut config);
    // Clients read logs only where this says that some are kept.
    config.log_config = LogConfig {
        kind: match spec.log_driver.as_str() {
            "" => "json-file".to_owned(),
            driver => driver.to_owned(),
        },
        config: spec.log_opts.clone(),
    };
    config
}

/// What the client sent with `create`.
fn as_asked<T: DeserializeOwned + Default>(what: &str, json: &str) -> T {
    bulkhead_api::json::decode(json.as_bytes()).unwrap_or_else(|error| {
        tracing::warn!(%error, what, "reading a container's settings");
        T::default()
    })
}

/// The ports that a container declares beyond its image's.
pub fn declared_ports(record: &Container) -> Vec<String> {
    let config: ContainerConfig = as_asked("Config", &record.spec.config_json);
    config.exposed_ports.into_keys().collect()
}

/// Which components decided about this container.
fn plugins(record: &Container) -> BTreeMap<String, String> {
    let named = [
        ("RootfsPlugin", &record.rootfs_plugin),
        ("NetworkPlugin", &record.network_plugin),
    ];
    named
        .into_iter()
        .filter_map(|(key, plugin)| Some((key.to_owned(), plugin.as_ref()?.to_string())))
        .collect()
}

fn state(record: &Container) -> ContainerState {
    let state = &record.state;
    let mut wire = ContainerState {
        status: state.status().to_owned(),
        running: state.is_active(),
        paused: state.is_paused(),
        restarting: matches!(state, State::Restarting { .. }),
        dead: matches!(state, State::Dead { .. }),
        error: state.error().to_owned(),
        started_at: rfc3339(state.started_at()),
        ..ContainerState::default()
    };
    wire.finished_at = rfc3339(record.finished_at);
    let started = !matches!(state, State::Created);
    let health = record.health.as_ref().filter(|_| started);
    wire.health = health.map(super::health::health);
    match state {
        State::Running { pid, .. } => wire.pid = i64::from(*pid),
        state => {
            if let Some(status) = state.last() {
                wire.exit_code = i64::from(status.code);
                wire.oom_killed = status.oom_killed;
            }
        }
    }
    wire
}

/// One mount as the wire has it.
fn mounts(record: &Container) -> Vec<MountPoint> {
    let asked: HostConfig = as_asked("HostConfig", &record.spec.host_config_json);
    // `--tmpfs` has its own place in the answer.
    let long = asked.mounts.into_iter().filter(|m| m.kind == "tmpfs");
    let tmpfs = long.map(|mount| MountPoint {
        kind: mount.kind,
        destination: mount.target,
        rw: !mount.read_only,
        ..MountPoint::default()
    });
    let others = record.mounts.iter().map(mount_point);
    others.chain(tmpfs).collect()
}

/// A mount as clients see it.
pub fn mount_point(mount: &Mount) -> MountPoint {
    let volume = mount.volume.clone();
    MountPoint {
        kind: if volume.is_some() { "volume" } else { "bind" }.to_owned(),
        driver: match mount.options.volume_driver.as_str() {
            _ if volume.is_none() => String::new(),
            "" => "local".to_owned(),
            driver => driver.to_owned(),
        },
        name: volume.unwrap_or_default(),
        source: mount.source.clone(),
        destination: mount.target.clone(),
        mode: mount.options.mode.clone(),
        rw: !mount.read_only,
        propagation: match mount.options.propagation.as_str() {
            _ if mount.volume.is_some() => String::new(),
            "" => "rprivate".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn network_settings(record: &Container, config: &ContainerConfig) -> NetworkSettings {
    let networks = endpoints(record);
    let default = networks.get("bridge").cloned().unwrap_or_default();
    NetworkSettings {
        sandbox_id: if record.endpoints.is_empty() {
            String::new()
        } else {
            record.id.to_string()
        },
        ports: port_map(record, config),
        endpoint_id: default.endpoint_id,
        gateway: default.gateway,
        ip_address: default.ip_address,
        ip_prefix_len: default.ip_prefix_len,
        mac_address: default.mac_address,
        ipv6_gateway: default.ipv6_gateway,
        global_ipv6_address: default.global_ipv6_address,
        global_ipv6_prefix_len: default.global_ipv6_prefix_len,
        networks,
        ..NetworkSettings::default()
    }
}

/// A container's places in its networks, by the networks' names.
pub fn endpoints(record: &Container) -> BTreeMap<String, EndpointSettings> {
    let settings = |member: &Membership| {
        let mut endpoints = record.endpoints.iter();
        let endpoint = endpoints.find(|e| e.network_id == member.network);
        let settings = endpoint_settings(record, member, endpoint);
        (member.name.clone(), settings)
    };
    record.networks.iter().map(settings).collect()
}

fn endpoint_settings(
    record: &Container,
    member: &Membership,
    endpoint: Option<&Endpoint>,
) -> EndpointSettings {
    let of = |family| {
        let mut chosen = member.addresses.iter();
        let chosen = chosen.find(|addr| Family::of(**addr) == family);
        chosen.map(ToString::to_string).unwrap_or_default()
    };
    let chosen = (!member.addresses.is_empty()).then(|| EndpointIpam {
        ipv4_address: of(Family::V4),
        ipv6_address: of(Family::V6),
        ..EndpointIpam::default()
    });
    let settings = EndpointSettings {
        ipam_config: chosen,
        network_id: member.network.clone(),
        aliases: member.aliases.clone(),
        mac_address: member.mac.clone().unwrap_or_default(),
        gw_priority: member.gateway_priority,
        driver_opts: Some(member.driver_options.clone()).filter(|o| !o.is_empty()),
        dns_names: names::of(record, member),
        ..EndpointSettings::default()
    };
    let Some(endpoint) = endpoint else {
        return settings;
    };
    let address = |family| endpoint.address(family).map(|a| a.to_string());
    let gateway = |family| endpoint.gateway(family).map(|g| g.addr.to_string());
    let prefix = |family| endpoint.gateway(family).map(|g| i64::from(g.prefix));
    EndpointSettings {
        endpoint_id: endpoint.id.clone(),
        gateway: gateway(Family::V4).unwrap_or_default(),
        ip_address: address(Family::V4).unwrap_or_default(),
        ip_prefix_len: prefix(Family::V4).unwrap_or_default(),
        ipv6_gateway: gateway(Family::V6).unwrap_or_default(),
        global_ipv6_address: address(Family::V6).unwrap_or_default(),
        global_ipv6_prefix_len: prefix(Family::V6).unwrap_or_default(),
        mac_address: endpoint.mac.clone(),
        ..settings
    }
}

fn port_map(record: &Container, config: &ContainerConfig) -> PortMap {
    let mut map = PortMap::new();
    // While it runs, what is only exposed shows, too.
    if !record.endpoints.is_empty() {
        map.extend(config.exposed_ports.keys().map(|port| (port.clone(), None)));
    }
    for port in record.published_ports() {
        let binding = PortBinding {
            host_ip: port.host_addr.map(|a| a.to_string()).unwrap_or_default(),
            host_port: port.host_port.to_string(),
        };
        map.entry(format!("{}/{}", port.container_port, port.protocol))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    map
}
