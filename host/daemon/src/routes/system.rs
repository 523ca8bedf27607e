//! `/version` and `/info`.

use std::sync::Arc;

use bulkhead_api::system::{
    Info, Plugins, Runtime, Swarm, Version, VersionComponent, VersionPlatform,
};
use bulkhead_api::usage::BuildPruned;
use bulkhead_api::version::{MAX, MIN};
use hyper::{Response, StatusCode};
use nix::sys::utsname::UtsName;

use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn kernel() -> Option<UtsName> {
    nix::sys::utsname::uname().ok()
}

fn kernel_version() -> String {
    kernel()
        .map(|u| u.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Go's name of this architecture.
fn go_arch() -> String {
    bulkhead_model::Platform::host().architecture
}

/// `GET /version`
pub fn version() -> Result<Response<Body>, ApiError> {
    let details = [
        ("ApiVersion", MAX.to_string()),
        ("MinAPIVersion", MIN.to_string()),
        ("Os", "linux".into()),
        ("Arch", go_arch()),
        ("KernelVersion", kernel_version()),
    ];
    let engine = VersionComponent {
        name: "Engine".to_owned(),
        version: VERSION.to_owned(),
        details: details
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
    };
    let version = Version {
        platform: VersionPlatform {
            name: "bulkhead".to_owned(),
        },
        components: vec![engine],
        version: VERSION.to_owned(),
        api_version: MAX.to_string(),
        min_api_version: MIN.to_string(),
        os: "linux".to_owned(),
        arch: go_arch(),
        kernel_version: kernel_version(),
        ..Version::default()
    };
    Ok(reply::json(StatusCode::OK, &version))
}

/// `POST /build/prune`: there is no build cache yet.
pub fn build_prune() -> Response<Body> {
    reply::json(StatusCode::OK, &BuildPruned::default())
}

/// `GET /info`
pub async fn info(daemon: &Arc<Daemon>) -> Result<Response<Body>, ApiError> {
    let images = daemon
        .blocking(bulkhead_engine::Engine::images)
        .await?
        .len();
    let containers = daemon.engine.containers.all();
    let running = containers
        .iter()
        .filter(|c| c.record().state.is_running())
        .count();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let cgroup_v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let info = Info {
        id: daemon.id.clone(),
        containers: count(containers.len()),
        containers_running: count(running),
        containers_stopped: count(containers.len() - running),
        images: count(images),
        driver: daemon.engine.config.storage_driver.clone(),
        driver_status: daemon.plugins.clone(),
        plugins: Plugins {
            volume: vec!["local".to_owned()],
            network: daemon.engine.networks.driver_names(),
            authorization: Vec::new(),
            log: vec!["json-file".to_owned(), "none".to_owned()],
        },
        memory_limit: true,
        swap_limit: swap_accounting(cgroup_v2),
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        ipv4_forwarding: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|s| s.trim() == "1"),
        system_time: crate::convert::rfc3339(crate::convert::now()),
        logging_driver: "json-file".to_owned(),
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: if cgroup_v2 { "2" } else { "1" }.to_owned(),
        kernel_version: kernel_version(),
        operating_system: os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        os_version: os_release("VERSION_ID").unwrap_or_default(),
        os_type: "linux".to_owned(),
        architecture: kernel()
            .map(|u| u.machine().to_string_lossy().into_owned())
            .unwrap_or_default(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        n_cpu: i64::try_from(daemon.engine.config.cpus).unwrap_or(0),
        mem_total: memory_total(),
        docker_root_dir: daemon.data_root.to_string_lossy().into_owned(),
        name: kernel()
            .map(|u| u.nodename().to_string_lossy().into_owned())
            .unwrap_or_default(),
        server_version: VERSION.to_owned(),
        runtimes: [(
            "bulkhead".to_owned(),
            Runtime {
                path: "built in".to_owned(),
            },
        )]
        .into(),
        default_runtime: "bulkhead".to_owned(),
        swarm: Swarm {
            local_node_state: "inactive".to_owned(),
            ..Swarm::default()
        },
        live_restore_enabled: true,
        security_options: security_options(&daemon.engine.config),
        ..Info::default()
    };
    Ok(reply::json(StatusCode::OK, &info))
}

fn security_options(config: &bulkhead_engine::Config) -> Vec<String> {
    let mut options = vec!["name=seccomp,profile=builtin".to_owned()];
    if !config.user_namespace.is_empty() {
        options.push("name=userns".to_owned());
    }
    options
}

fn swap_accounting(cgroup_v2: bool) -> bool {
    cgroup_v2 || std::path::Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists()
}

fn memory_total() -> i64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo.lines().find_map(|l| {
        l.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<i64>()
            .ok()
    });
    kib.unwrap_or(0) * 1024
}

/// One value of os-release(5).
fn os_release(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = text
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}
