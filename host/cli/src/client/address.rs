//! Where the daemon is.

use std::fmt;
use std::path::{Path, PathBuf};

use bulkhead_api::{ApiVersion, version};
use clap::Args;

use crate::docker_config::{ConfigDir, ConfigFileError, ContextError, DEFAULT, TlsFiles};

/// The socket of the daemon that is started when none answers.
const DEFAULT_SOCKET: &str = "/run/bulkhead/bulkhead.sock";

/// Flags before the command that say where the daemon is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HostFlags {
    /// Folder of the client's settings (default ~/.docker)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) config: Option<PathBuf>,
    /// Name of the context to use (overrides DOCKER_HOST and the one set with "bulkhead context use")
    #[arg(short, long, value_name = "NAME")]
    context: Option<String>,
    /// Daemon to connect to (unix:///path, tcp://host:port, ssh://user@host)
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Use TLS; implied by --tlsverify
    #[arg(long)]
    tls: bool,
    /// Trust certificates signed by this authority only (default ~/.docker/ca.pem)
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// Own certificate (default ~/.docker/cert.pem)
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,
    /// Own key (default ~/.docker/key.pem)
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,
    /// Use TLS and verify the daemon
    #[arg(long)]
    tlsverify: bool,
}

/// A daemon's address, and how it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(super) transport: Transport,
    chosen: bool,
}

/// How its bytes travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Unix(PathBuf),
    Tcp {
        /// Without an IPv6 address's brackets.
        host: String,
        port: u16,
        tls: Option<Tls>,
    },
    Ssh(SshTarget),
}

/// The certificates of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) files: TlsFiles,
    pub(super) skip_verification: bool,
}

/// Another machine's daemon, behind its ssh server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshTarget {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// The daemon's socket there, unless its default.
    pub(super) socket: Option<String>,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error(
        "{0}:// addresses are not supported: use unix:///path, tcp://host:port or ssh://user@host"
    )]
    Unsupported(String),
    #[error("invalid address {0:?}: expected unix:///path, tcp://host:port or ssh://user@host")]
    Malformed(String),
    #[error("conflicting options: cannot specify both --host and --context")]
    Conflict,
    #[error("Failed to initialize: unable to resolve the daemon's address: {0}")]
    Context(#[from] ContextError),
    #[error("{0}")]
    Config(#[from] ConfigFileError),
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(|value| value.to_string_lossy().into_owned())
}

/// BULKHEAD_HOST, else DOCKER_HOST, and its name.
pub(crate) fn host_variable() -> Option<(&'static str, String)> {
    let names = ["BULKHEAD_HOST", "DOCKER_HOST"];
    names
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)))
}

/// Refuses an address that could not be used; empty text is the default.
pub(crate) fn check_address(text: &str) -> Result<(), AddressError> {
    match text {
        "" => Ok(()),
        text => Address::parse(text, None).map(drop),
    }
}

/// The address without a context.
pub(crate) fn default_address() -> String {
    let variable = host_variable().map(|(_, text)| text);
    variable.unwrap_or_else(|| Address::default().to_string())
}

impl HostFlags {
    pub(crate) fn config_dir(&self) -> ConfigDir {
        ConfigDir::choose(self.config.as_deref())
    }

    /// The context in force: that of the flag; none if an address is given;
    /// DOCKER_CONTEXT's; the settings' one.
    pub(crate) fn context_name(&self, config: &ConfigDir) -> Result<String, ConfigFileError> {
        let named = match &self.context {
            Some(name) => Some(name.clone()),
            None if self.host.is_some() || host_variable().is_some() => None,
            None => match variable("DOCKER_CONTEXT") {
                Some(name) => Some(name),
                None => config.current_context()?,
            },
        };
        Ok(named.unwrap_or_else(|| DEFAULT.to_owned()))
    }

    /// Where the daemon is.
    pub(crate) fn address(&self, config: &ConfigDir) -> Result<Address, AddressError> {
        if self.host.is_some() && self.context.is_some() {
            return Err(AddressError::Conflict);
        }
        let name = self.context_name(config)?;
        if name == DEFAULT {
            let variable = || host_variable().map(|(_, text)| text);
            let text = self.host.clone().or_else(variable);
            return self.direct(text.as_deref(), config);
        }
        let context = config.context(&name)?;
        let files = config.context_tls(&name);
        let tls = (files != TlsFiles::default() || context.skips_verification()).then(|| Tls {
            files,
            skip_verification: context.skips_verification(),
        });
        match context.host() {
            "" => Ok(Address::default()),
            host => Address::parse(host, tls),
        }
    }

    fn direct(&self, text: Option<&str>, config: &ConfigDir) -> Result<Address, AddressError> {
        let verifies = self.tlsverify || variable("DOCKER_TLS_VERIFY").is_some();
        let wanted = verifies || self.tls || variable("DOCKER_TLS").is_some();
        match text {
            Some(text) => Address::parse(text, wanted.then(|| self.tls_files(config, verifies))),
            None => Ok(Address::default()),
        }
    }

    fn tls_files(&self, config: &ConfigDir, verifies: bool) -> Tls {
        let folder = variable("DOCKER_CERT_PATH").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| config.path().to_owned());
        let own = |flag: &Option<PathBuf>, name: &str| {
            let usual = || Some(folder.join(name)).filter(|path| path.exists());
            flag.clone().or_else(usual)
        };
        let authority = self
            .tlscacert
            .clone()
            .unwrap_or_else(|| folder.join("ca.pem"));
        Tls {
            files: TlsFiles {
                ca: verifies.then_some(authority),
                cert: own(&self.tlscert, "cert.pem"),
                key: own(&self.tlskey, "key.pem"),
            },
            skip_verification: !verifies,
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self {
            transport: Transport::Unix(DEFAULT_SOCKET.into()),
            chosen: false,
        }
    }
}

impl Address {
    fn parse(text: &str, tls: Option<Tls>) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.chars().take(100).collect());
        // As docker: what names no way is a TCP address.
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let transport = match scheme {
            "unix" if rest.is_empty() => Transport::Unix(DEFAULT_SOCKET.into()),
            "unix" => Transport::Unix(rest.into()),
            "tcp" => {
                let usual = if tls.is_some() { 2376 } else { 2375 };
                let (host, port) = host_and_port(rest).ok_or_else(malformed)?;
                let host = if host.is_empty() {
                    "localhost".into()
                } else {
                    host
                };
                let port = port.unwrap_or(usual);
                Transport::Tcp { host, port, tls }
            }
            "ssh" => Transport::Ssh(ssh_target(rest).ok_or_else(malformed)?),
            scheme if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                return Err(AddressError::Unsupported(scheme.to_owned()));
            }
            _ => return Err(malformed()),
        };
        Ok(Self {
            transport,
            chosen: true,
        })
    }

    /// The same without starting a daemon for it.
    pub(crate) fn of_a_running_daemon(self) -> Self {
        Self {
            chosen: true,
            ..self
        }
    }

    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.transport, Transport::Ssh(_))
    }

    /// The socket for which a daemon may be started: only the default.
    pub(super) fn may_start(&self) -> Option<&Path> {
        match &self.transport {
            Transport::Unix(path) if !self.chosen => Some(path),
            _ => None,
        }
    }

    /// What to try when nothing answers there.
    pub(super) fn hint(&self) -> String {
        match &self.transport {
            Transport::Unix(_) => format!("Start one with: bulkhead daemon -H {self}"),
            Transport::Tcp { tls: None, .. } => {
                "A daemon listens on TCP only if it was told to; with certificates it takes --tlsverify.".into()
            }
            Transport::Tcp { .. } => "A daemon listens on TCP only if it was told to.".into(),
            Transport::Ssh(target) => format!("Try: ssh {}", target.name()),
        }
    }
}

/// `host:port`, `[::1]:port`, `host`
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim_end_matches('/');
    if let Some((host, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        return Some((host.to_owned(), port));
    }
    let is_host = |host: &str| !host.contains(|c: char| c.is_whitespace() || "/@:".contains(c));
    match text.split_once(':') {
        Some((host, port)) if is_host(host) => Some((host.to_owned(), Some(port.parse().ok()?))),
        None if is_host(text) && !text.is_empty() => Some((text.to_owned(), None)),
        _ => None,
    }
}

/// `user@host:port/path/of/socket`
fn ssh_target(text: &str) -> Option<SshTarget> {
    let (place, socket) = match text.find('/') {
        Some(at) => (
            &text[..at],
            Some(text[at..].to_owned()).filter(|path| path != "/"),
        ),
        None => (text, None),
    };
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, place),
    };
    let (host, port) = host_and_port(place)?;
    // ssh would take them for options.
    let is_option = host.starts_with('-') || user.as_ref().is_some_and(|u| u.starts_with('-'));
    let is_empty = host.is_empty() || user.as_deref() == Some("");
    (!is_option && !is_empty).then_some(SshTarget {
        user,
        host,
        port,
        socket,
    })
}

impl SshTarget {
    /// `user@host`
    pub(super) fn name(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Unix(path) => write!(f, "unix://{}", path.display()),
            Transport::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Transport::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Transport::Ssh(target) => {
                write!(f, "ssh://{}", target.name())?;
                target.port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
                f.write_str(target.socket.as_deref().unwrap_or_default())
            }
        }
    }
}

/// The API version to begin with: DOCKER_API_VERSION, or our newest.
pub(crate) fn api_version() -> ApiVersion {
    let asked = std::env::var("DOCKER_API_VERSION")
        .ok()
        .and_then(|text| text.parse::<ApiVersion>().ok());
    asked
        .and_then(|version| version.supported().ok())
        .unwrap_or(version::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Address::parse(text, None) {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_read_as_dockers() {
        for (text, meant) in [
            ("unix:///tmp/a.sock", "unix:///tmp/a.sock"),
            ("unix://", "unix:///run/bulkhead/bulkhead.sock"),
            ("tcp://1.2.3.4:2376", "tcp://1.2.3.4:2376"),
            ("tcp://box", "tcp://box:2375"),
            ("tcp://[::1]:99", "tcp://[::1]:99"),
            ("box:7", "tcp://box:7"),
            (
                "ssh://me@box:22/run/other.sock",
                "ssh://me@box:22/run/other.sock",
            ),
            ("ssh://box/", "ssh://box"),
        ] {
            assert_eq!(read(text), meant);
        }
    }

    #[test]
    fn what_ssh_would_take_for_an_option_is_no_host() {
        for bad in [
            "ssh://-oProxyCommand=x",
            "ssh://-l@box",
            "ssh://@box",
            "ssh://",
            "tcp://a:b",
            "tcp://a b",
            "unix:/x y:z",
        ] {
            assert!(
                read(bad).starts_with("invalid address"),
                "{bad}: {}",
                read(bad)
            );
        }
        assert!(read("npipe:////./pipe/x").starts_with("npipe:// addresses are not supported"));
    }

    #[test]
    fn with_tls_the_port_is_another() {
        let address = Address::parse("tcp://box", Some(Tls::default())).unwrap();
        assert_eq!(address.to_string(), "tcp://box:2376");
    }
}
