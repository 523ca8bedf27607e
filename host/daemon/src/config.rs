//! What the daemon is told: flags, the configuration file, and both merged.

mod directives;
mod settings;
pub mod signature_policy;
mod values;

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::{Map, Value};

pub use directives::Directives;
pub use settings::{Address, Settings, Tls};
pub use values::Pair;

/// The configuration file that may be missing.
const USUAL_FILE: &str = "/etc/bulkhead/daemon.json";

/// Directives of dockerd's that have no meaning here: refused, never dropped.
const DOCKERD_ONLY: &[&str] = &[
    "allow-nondistributable-artifacts",
    "api-cors-header",
    "authorization-plugins",
    "bridge",
    "builder",
    "cgroup-parent",
    "cluster-advertise",
    "cluster-store",
    "cluster-store-opts",
    "containerd",
    "containerd-namespace",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cri-containerd",
    "default-address-pools",
    "default-cgroupns-mode",
    "default-gateway",
    "default-gateway-v6",
    "default-ipc-mode",
    "default-network-opts",
    "default-runtime",
    "exec-opts",
    "experimental",
    "features",
    "firewall-backend",
    "fixed-cidr",
    "fixed-cidr-v6",
    "icc",
    "init",
    "init-path",
    "ip",
    "ip-forward",
    "ip-masq",
    "ip6tables",
    "iptables",
    "ipv6",
    "metrics-addr",
    "network-control-plane-mtu",
    "node-generic-resources",
    "oom-score-adjust",
    "proxies",
    "raw-logs",
    "rootless",
    "runtimes",
    "seccomp-profile",
    "selinux-enabled",
    "swarm-default-advertise-addr",
    "userland-proxy",
    "userland-proxy-path",
    "validate",
];

/// The bulkhead daemon: serves the Docker Engine API and runs containers
/// through sandboxed drivers
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bulkheadd",
    version,
    after_help = "Each directive may also stand in the configuration file, in JSON, under the name it has there \
                  in dockerd's documentation (hosts, insecure-registries, log-opts, ...), but not in both places. \
                  SIGHUP reads the file again."
)]
pub struct Flags {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = USUAL_FILE)]
    pub config_file: PathBuf,

    /// Check flags and configuration file, say what is wrong, and end
    #[arg(long)]
    pub validate: bool,

    /// The directives among the flags.
    #[command(flatten)]
    pub directives: Directives,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The texts say what each is.
pub enum ConfigError {
    #[error("unable to configure the daemon with file {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("unable to configure the daemon with file {}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "unable to configure the daemon with file {}: the following directives don't match any configuration option: {names}", path.display()
    )]
    Unknown { path: PathBuf, names: String },
    #[error(
        "unable to configure the daemon with file {}: bulkhead has no use for these directives of dockerd's, remove them: {names}", path.display()
    )]
    Dockerd { path: PathBuf, names: String },
    #[error(
        "unable to configure the daemon with file {}: the following directives are specified both as a flag and in the configuration file: {names}", path.display()
    )]
    Twice { path: PathBuf, names: String },
    #[error("invalid value for {directive}: {why}")]
    Value {
        directive: &'static str,
        why: String,
    },
}

impl Flags {
    /// Flags and file merged and checked.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown directive or one that is a
    /// flag, too, or a value makes no sense.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let path = &self.config_file;
        let file = read(path)?;
        let flags = match serde_json::to_value(&self.directives) {
            Ok(Value::Object(flags)) => flags,
            _ => Map::new(),
        };
        let twice = |name: &&String| flags.contains_key(*name);
        if let Some(names) = listed(file.keys().filter(twice).map(|name| {
            format!(
                "{name}: (from flag: {}, from file: {})",
                flags[name.as_str()],
                file[name.as_str()]
            )
        })) {
            let path = path.clone();
            return Err(ConfigError::Twice { path, names });
        }
        let mut merged = file;
        merged.extend(flags);
        let directives: Directives = serde_json::from_value(Value::Object(merged.clone()))
            .map_err(|source| ConfigError::Json {
                path: path.clone(),
                source,
            })?;
        Settings::resolve(directives, merged)
    }
}

/// The file's directives by name; none when the usual file is missing.
fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && path == Path::new(USUAL_FILE) =>
        {
            return Ok(Map::new());
        }
        Err(source) => {
            let path = path.to_owned();
            return Err(ConfigError::Read { path, source });
        }
    };
    let json = |source| ConfigError::Json {
        path: path.to_owned(),
        source,
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let file: Map<String, Value> = serde_json::from_slice(&bytes).map_err(json)?;
    let known = known();
    let foreign = |name: &&String| DOCKERD_ONLY.contains(&name.as_str());
    let unknown = |name: &&String| !known.contains(name) && !foreign(name);
    if let Some(names) = listed(file.keys().filter(unknown).cloned()) {
        let path = path.to_owned();
        return Err(ConfigError::Unknown { path, names });
    }
    if let Some(names) = listed(file.keys().filter(foreign).cloned()) {
        let path = path.to_owned();
        return Err(ConfigError::Dockerd { path, names });
    }
    // Types are checked here, where the file can be blamed.
    serde_json::from_value::<Directives>(Value::Object(file.clone())).map_err(json)?;
    Ok(file)
}

fn listed(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The names directives have in the file.
fn known() -> Vec<String> {
    use clap::Args;
    let command = Directives::augment_args(clap::Command::new(""));
    let names = command.get_arguments().map(|arg| arg.get_id().as_str());
    names.map(|name| name.replace('_', "-")).collect()
}

#[cfg(test)]
mod tests;
