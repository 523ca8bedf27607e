//! `GET /info`.

use std::sync::Arc;

use bulkhead_api::ApiVersion;
use bulkhead_api::system::{
    Commit, FirewallBackend, IndexConfig, Info, Plugins, RegistryConfig, Runtime, Swarm,
};
use hyper::{Response, StatusCode};

use crate::config::{Address, Settings};
use crate::convert;
use crate::daemon::Daemon;
use crate::machine::{self, Cgroups};
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The name under which Docker's clients know the one runtime there is.
pub const RUNTIME: &str = "bulkhead";

/// The daemon and its machine, as `version` describes them.
pub async fn info(daemon: &Arc<Daemon>, version: ApiVersion) -> Result<Response<Body>, ApiError> {
    let images = daemon
        .blocking(bulkhead_engine::Engine::images)
        .await?
        .len();
    let settings = daemon.settings();
    let cgroups = Cgroups::here();
    let mut info = Info {
        id: daemon.id.clone(),
        images: count(images),
        system_time: convert::rfc3339(convert::now()),
        docker_root_dir: daemon.data_root.to_string_lossy().into_owned(),
        driver: daemon.engine.config.storage_driver.clone(),
        driver_status: driver_status(daemon).await?,
        plugins: Plugins {
            volume: daemon.engine.volume_drivers.keys().cloned().collect(),
            network: daemon.engine.networks.driver_names(),
            authorization: Vec::new(),
            log: ["json-file", "local", "none"].map(str::to_owned).to_vec(),
        },
        logging_driver: settings.defaults.log_driver.clone(),
        labels: settings.labels.clone(),
        debug: settings.log_level >= tracing::level_filters::LevelFilter::DEBUG,
        live_restore_enabled: settings.live_restore,
        registry_config: registries(&settings, version),
        n_fd: count(machine::open_descriptors()),
        n_goroutines: count(
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
        ),
        n_events_listener: count(daemon.engine.events.listeners()),
        security_options: security_options(&daemon.engine.config, &cgroups),
        ..of_machine(&cgroups)
    };
    count_containers(daemon, &mut info);
    info.n_cpu = i64::try_from(daemon.engine.config.cpus).unwrap_or(0);
    info.warnings = warnings(&info, &settings);
    fit(&mut info, version);
    Ok(reply::json(StatusCode::OK, &info))
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What does not change while the daemon runs.
fn of_machine(cgroups: &Cgroups) -> Info {
    let proxy = |name: &str| {
        let set = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase()));
        set.unwrap_or_default()
    };
    Info {
        memory_limit: cgroups.has("memory"),
        swap_limit: cgroups.has_file("memory", "memory.memsw.limit_in_bytes"),
        cpu_cfs_period: cgroups.has_file("cpu", "cpu.cfs_period_us"),
        cpu_cfs_quota: cgroups.has_file("cpu", "cpu.cfs_quota_us"),
        cpu_shares: cgroups.has("cpu"),
        cpu_set: cgroups.has("cpuset"),
        pids_limit: cgroups.has("pids"),
        oom_kill_disable: !cgroups.v2 && cgroups.has_file("memory", "memory.oom_control"),
        ipv4_forwarding: machine::sysctl("net/ipv4/ip_forward"),
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: if cgroups.v2 { "2" } else { "1" }.to_owned(),
        kernel_version: machine::kernel_version(),
        operating_system: machine::os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        os_version: machine::os_release("VERSION_ID").unwrap_or_default(),
        os_type: "linux".to_owned(),
        architecture: machine::architecture(),
        mem_total: machine::memory_total(),
        name: machine::hostname(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        http_proxy: proxy("HTTP_PROXY"),
        https_proxy: proxy("HTTPS_PROXY"),
        no_proxy: proxy("NO_PROXY"),
        server_version: super::system::VERSION.to_owned(),
        runtimes: [(
            RUNTIME.to_owned(),
            Runtime {
                path: "built in".to_owned(),
            },
        )]
        .into(),
        default_runtime: RUNTIME.to_owned(),
        init_binary: "built in".to_owned(),
        swarm: Swarm {
            local_node_state: "inactive".to_owned(),
            ..Swarm::default()
        },
        ..Info::default()
    }
}

/// What the storage driver says, then which plugins there are.
async fn driver_status(daemon: &Arc<Daemon>) -> Result<Vec<(String, String)>, ApiError> {
    let told = daemon.blocking(bulkhead_engine::Engine::storage_status);
    // An info that fails helps nobody who looks for what is wrong.
    let mut rows = told.await.unwrap_or_else(|error| {
        let row = ("Driver Error".to_owned(), error.to_string());
        vec![row]
    });
    rows.extend(daemon.plugins.iter().cloned());
    Ok(rows)
}

fn count_containers(daemon: &Daemon, info: &mut Info) {
    for entry in daemon.engine.containers.all() {
        info.containers += 1;
        match entry.record().state.status() {
            "running" | "restarting" => info.containers_running += 1,
            "paused" => info.containers_paused += 1,
            _ => info.containers_stopped += 1,
        }
    }
}

fn registries(settings: &Settings, version: ApiVersion) -> RegistryConfig {
    let (cidrs, hosts): (Vec<_>, Vec<_>) = settings
        .insecure_registries
        .iter()
        .cloned()
        .partition(|registry| registry.contains('/'));
    let index = |name: String, secure| IndexConfig {
        official: name == "docker.io",
        mirrors: match name.as_str() {
            "docker.io" => settings.registry_mirrors.clone(),
            _ => Vec::new(),
        },
        name,
        secure,
    };
    let mut index_configs: std::collections::BTreeMap<_, _> = hosts
        .into_iter()
        .map(|host| (host.clone(), index(host, false)))
        .collect();
    index_configs.insert("docker.io".into(), index("docker.io".into(), true));
    let no_longer = (version.minor < 49).then(Vec::new);
    RegistryConfig {
        insecure_registry_cidrs: ["127.0.0.0/8".to_owned()]
            .into_iter()
            .chain(cidrs)
            .collect(),
        index_configs,
        mirrors: settings.registry_mirrors.clone(),
        allow_nondistributable_artifacts_cidrs: no_longer.clone(),
        allow_nondistributable_artifacts_hostnames: no_longer,
    }
}

fn security_options(config: &bulkhead_engine::Config, cgroups: &Cgroups) -> Vec<String> {
    let mut options = vec!["name=seccomp,profile=builtin"];
    if cgroups.v2 {
        options.push("name=cgroupns");
    }
    if !config.user_namespace.is_empty() {
        options.push("name=userns");
    }
    options.into_iter().map(str::to_owned).collect()
}

/// What an administrator should know, in Docker's words.
fn warnings(info: &Info, settings: &Settings) -> Vec<String> {
    let missing = [
        (info.memory_limit, "No memory limit support"),
        (info.swap_limit, "No swap limit support"),
        (info.cpu_cfs_period, "No cpu cfs period support"),
        (info.cpu_cfs_quota, "No cpu cfs quota support"),
        (info.cpu_shares, "No cpu shares support"),
        (info.cpu_set, "No cpuset support"),
        (info.pids_limit, "No pids limit support"),
        (info.ipv4_forwarding, "IPv4 forwarding is disabled"),
    ];
    let missing = missing.iter().filter(|(there, _)| !there);
    let mut warnings: Vec<_> = missing
        .map(|(_, text)| format!("WARNING: {text}"))
        .collect();
    let open = settings
        .addresses
        .iter()
        .filter_map(|address| match address {
            Address::Tcp(address) if settings.tls.is_none() => Some(address),
            _ => None,
        });
    warnings.extend(open.map(|address| {
        format!(
            "WARNING: API is accessible on http://{address} without encryption.\n         Access to the remote API is equivalent to root access on the host."
        )
    }));
    warnings
}

/// Fields that came or went with a version.
fn fit(info: &mut Info, version: ApiVersion) {
    let before = |minor: u16, value: bool| (version.minor < minor).then_some(value);
    info.kernel_memory = before(42, false);
    info.kernel_memory_tcp = before(42, false);
    info.bridge_nf_iptables = before(50, machine::sysctl("net/bridge/bridge-nf-call-iptables"));
    info.bridge_nf_ip6tables = before(50, machine::sysctl("net/bridge/bridge-nf-call-ip6tables"));
    let expected = (version.minor < 49).then(String::new);
    for commit in [
        &mut info.containerd_commit,
        &mut info.runc_commit,
        &mut info.init_commit,
    ] {
        *commit = Commit {
            expected: expected.clone(),
            ..Commit::default()
        };
    }
    let since = |minor: u16| version.minor >= minor;
    info.cdi_spec_dirs = since(44).then(Vec::new);
    info.firewall_backend = since(49).then(|| FirewallBackend {
        driver: "nftables".to_owned(),
    });
    info.discovered_devices = since(50).then(Vec::new);
}
