//! The configuration after defaults, every value checked.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bulkhead_engine::Transfers;
use bulkhead_engine::defaults::Defaults;
use bulkhead_model::network::Cidr;
use bulkhead_model::size;
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use super::values::Pair;
use super::{ConfigError, Directives};
use crate::storage_driver::{AUTO, StorageOptions};

/// Docker's ports: plain, and with TLS.
const PORTS: (u16, u16) = (2375, 2376);

/// What the daemon runs with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Images, containers, volumes.
    pub data_root: PathBuf,
    /// Sockets and running containers' state.
    pub exec_root: PathBuf,
    /// Where to listen; never empty.
    pub addresses: Vec<Address>,
    /// TLS for TCP addresses.
    pub tls: Option<Tls>,
    /// The unix sockets' group: the one asked for, or none.
    pub group: Option<String>,
    /// Where the process id goes.
    pub pidfile: Option<PathBuf>,
    /// The default storage driver, or `auto`.
    pub storage_driver: String,
    /// What was set for storage drivers.
    pub storage_options: StorageOptions,
    /// Plugin folders; empty: the usual ones.
    pub plugin_dirs: Vec<PathBuf>,
    /// Compiled plugins.
    pub component_cache: PathBuf,
    /// Registries without trustworthy TLS.
    pub insecure_registries: Vec<String>,
    /// Asked before Docker Hub: `host[:port]`.
    pub registry_mirrors: Vec<String>,
    /// Which images must be signed.
    pub signature_policy: Option<PathBuf>,
    /// How many layers move at the same time.
    pub transfers: Transfers,
    /// How often a transfer that moves nothing is tried; at least once.
    pub download_attempts: u32,
    /// Whose subordinate ids containers get.
    pub userns_remap: Option<String>,
    /// The bridge's address.
    pub bip: Option<Cidr>,
    /// What `host-gateway` stands for.
    pub host_gateway_ip: Option<std::net::IpAddr>,
    /// The bridge network's MTU, bytes.
    pub mtu: u32,
    /// For containers that do not say otherwise.
    pub defaults: Defaults,
    /// Containers go on when the daemon ends.
    pub live_restore: bool,
    /// Seconds containers have to stop, when they do not; negative: no limit.
    pub shutdown_timeout: i64,
    /// `name=value`
    pub labels: Vec<String>,
    /// What is logged.
    pub log_level: LevelFilter,
    /// Log lines are JSON objects.
    pub log_json: bool,
    /// What was set, by the names of the configuration file.
    pub directives: Map<String, Value>,
}

/// One place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(SocketAddr),
    /// The sockets that systemd passed.
    Activated,
}

/// Certificates for TCP addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The authority of clients; absent: nobody's certificate is asked for.
    pub authority: Option<PathBuf>,
    /// Our certificate chain.
    pub certificate: PathBuf,
    /// Our key.
    pub key: PathBuf,
}

fn invalid(directive: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        directive,
        why: why.into(),
    }
}

impl Settings {
    pub(super) fn resolve(
        set: Directives,
        directives: Map<String, Value>,
    ) -> Result<Self, ConfigError> {
        let data_root = absolute("data-root", set.data_root.as_ref(), "/var/lib/bulkhead")?;
        let exec_root = absolute("exec-root", set.exec_root.as_ref(), "/run/bulkhead")?;
        let tls = tls(&set);
        let addresses = addresses(&set, tls.as_ref(), &exec_root)?;
        let storage_options =
            StorageOptions::parse(&set.storage_opts).map_err(|why| invalid("storage-opts", why))?;
        let defaults = Defaults {
            storage_size: storage_options.size,
            ..defaults(&set)?
        };
        if let Some(label) = set.labels.iter().find(|l| !l.contains('=')) {
            return Err(invalid("labels", format!("{label:?} is not name=value")));
        }
        let mirrors = set.registry_mirrors.iter().map(|m| mirror(m));
        Ok(Self {
            registry_mirrors: mirrors.collect::<Result<_, _>>()?,
            signature_policy: set.signature_policy,
            transfers: transfers(set.max_concurrent_downloads, set.max_concurrent_uploads)?,
            download_attempts: match set.max_download_attempts {
                Some(0) => return Err(invalid("max-download-attempts", "it is 0")),
                attempts => attempts.unwrap_or(5),
            },
            addresses,
            tls,
            group: set.group.filter(|group| !group.is_empty()),
            pidfile: set.pidfile,
            storage_driver: set.storage_driver.unwrap_or_else(|| AUTO.into()),
            storage_options,
            plugin_dirs: set.plugin_dirs,
            component_cache: set
                .component_cache
                .unwrap_or_else(|| data_root.join("components")),
            insecure_registries: set.insecure_registries,
            userns_remap: set.userns_remap.filter(|user| !user.is_empty()),
            bip: checked_bip(set.bip)?,
            host_gateway_ip: set.host_gateway_ip,
            mtu: set.mtu.unwrap_or(1500),
            defaults,
            live_restore: set.live_restore.unwrap_or(true),
            shutdown_timeout: set.shutdown_timeout.unwrap_or(15),
            labels: set.labels,
            log_level: log_level(set.debug, set.log_level.as_deref())?,
            log_json: match set.log_format.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(other) => {
                    return Err(invalid(
                        "log-format",
                        format!("{other:?}: use text or json"),
                    ));
                }
            },
            data_root,
            exec_root,
            directives,
        })
    }
}

fn absolute(
    directive: &'static str,
    set: Option<&PathBuf>,
    usual: &str,
) -> Result<PathBuf, ConfigError> {
    match set {
        Some(path) if !path.is_absolute() => Err(invalid(
            directive,
            format!("{} is not an absolute path", path.display()),
        )),
        Some(path) => Ok(path.clone()),
        None => Ok(usual.into()),
    }
}

fn tls(set: &Directives) -> Option<Tls> {
    let usual = |path: &Option<PathBuf>, name: &str| {
        path.clone()
            .unwrap_or_else(|| Path::new("/etc/bulkhead").join(name))
    };
    (set.tls || set.tlsverify).then(|| Tls {
        authority: set.tlsverify.then(|| usual(&set.tlscacert, "ca.pem")),
        certificate: usual(&set.tlscert, "cert.pem"),
        key: usual(&set.tlskey, "key.pem"),
    })
}

/// Nobody gets in from the network without a certificate unless the
/// administrator said so.
fn addresses(
    set: &Directives,
    tls: Option<&Tls>,
    exec_root: &Path,
) -> Result<Vec<Address>, ConfigError> {
    if set.hosts.is_empty() {
        return Ok(vec![Address::Unix(exec_root.join("bulkhead.sock"))]);
    }
    let authenticated = tls.is_some_and(|tls| tls.authority.is_some());
    let mut addresses = Vec::new();
    for host in &set.hosts {
        let address = address(host, tls.is_some())?;
        if let Address::Tcp(socket) = address
            && !socket.ip().is_loopback()
            && !authenticated
            && !set.allow_unauthenticated_tcp
        {
            return Err(invalid(
                "hosts",
                format!(
                    "{host}: whoever reaches this port would be root here; use --tlsverify with certificates, listen on 127.0.0.1, or say --allow-unauthenticated-tcp"
                ),
            ));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn address(host: &str, tls: bool) -> Result<Address, ConfigError> {
    let expected = || {
        invalid(
            "hosts",
            format!("cannot listen on {host:?}: expected unix:///path, tcp://ip:port or fd://"),
        )
    };
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(Address::Unix(path.into())),
        Some(("fd", _)) => Ok(Address::Activated),
        Some(("tcp", rest)) => {
            let port = if tls { PORTS.1 } else { PORTS.0 };
            let rest = rest.trim_end_matches('/');
            let bare = |ip: &str| IpAddr::from_str(ip).map(|ip| SocketAddr::new(ip, port));
            let socket = match rest {
                "" | "localhost" => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
                _ => SocketAddr::from_str(&rest.replacen("localhost:", "127.0.0.1:", 1))
                    .or_else(|_| bare(rest.trim_matches(['[', ']']))),
            };
            socket.map(Address::Tcp).map_err(|_| expected())
        }
        _ => Err(expected()),
    }
}

fn defaults(set: &Directives) -> Result<Defaults, ConfigError> {
    let shm_size = match set.default_shm_size.as_deref() {
        None => 0,
        Some(text) => size::parse(text.trim()).ok_or_else(|| {
            invalid(
                "default-shm-size",
                format!("{text:?} is not a size such as 64m"),
            )
        })?,
    };
    let limit = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let log_driver = match set.log_driver.as_deref() {
        None | Some("") => "json-file".to_owned(),
        Some(driver) => driver.to_owned(),
    };
    if !matches!(log_driver.as_str(), "json-file" | "local" | "none") {
        return Err(invalid(
            "log-driver",
            format!(
                "no log driver named '{log_driver}' is registered: use json-file, local or none"
            ),
        ));
    }
    Ok(Defaults {
        log_driver,
        log_opts: set
            .log_opts
            .iter()
            .map(|Pair(name, value)| (name.clone(), value.clone()))
            .collect(),
        ulimits: set
            .default_ulimits
            .iter()
            .map(|u| (u.name.clone(), limit(u.soft), limit(u.hard)))
            .collect(),
        shm_size,
        no_new_privileges: set.no_new_privileges,
        dns: set.dns.clone(),
        dns_options: set.dns_opts.clone(),
        dns_search: set.dns_search.clone(),
        ..Defaults::default()
    })
}

fn checked_bip(bip: Option<Cidr>) -> Result<Option<Cidr>, ConfigError> {
    match bip {
        Some(bip) if !bip.addr.is_ipv4() || bip.prefix > 29 || bip.addr == bip.network() => {
            Err(invalid(
                "bip",
                format!(
                    "{bip} is not an address of a subnet with room for containers: use something like 10.10.0.1/24"
                ),
            ))
        }
        bip => Ok(bip),
    }
}

fn log_level(debug: bool, level: Option<&str>) -> Result<LevelFilter, ConfigError> {
    let named = match level {
        None | Some("") => LevelFilter::INFO,
        // dockerd's highest levels.
        Some("fatal" | "panic") => LevelFilter::ERROR,
        Some(level) => level.parse().map_err(|_| {
            invalid(
                "log-level",
                format!("{level:?}: use error, warn, info, debug or trace"),
            )
        })?,
    };
    Ok(if debug {
        named.max(LevelFilter::DEBUG)
    } else {
        named
    })
}

fn transfers(downloads: Option<usize>, uploads: Option<usize>) -> Result<Transfers, ConfigError> {
    let usual = Transfers::default();
    let checked = |name, set: Option<usize>, usual| match set {
        Some(0) => Err(invalid(name, "it is 0")),
        set => Ok(set.unwrap_or(usual)),
    };
    Ok(Transfers {
        downloads: checked("max-concurrent-downloads", downloads, usual.downloads)?,
        uploads: checked("max-concurrent-uploads", uploads, usual.uploads)?,
    })
}

/// `https://mirror.example[:port]`; the scheme is decided by
/// `insecure-registries`, as for every registry.
fn mirror(url: &str) -> Result<String, ConfigError> {
    let wrong = |why: &str| invalid("registry-mirrors", format!("{url:?}: {why}"));
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or_else(|| wrong("expected https://host[:port]"))?
        .trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
        return Err(wrong("a mirror is a host without a path, user or query"));
    }
    Ok(host.to_owned())
}
