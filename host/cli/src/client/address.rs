//! Where the daemon is.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use bulkhead_api::{ApiVersion, version};

/// The socket of the daemon that is started when none answers.
const DEFAULT_SOCKET: &str = "/run/bulkhead/bulkhead.sock";

/// A unix socket, and how it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    path: PathBuf,
    chosen: bool,
}

/// An address that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("{0}:// addresses are not supported yet: use unix:///path/to/bulkhead.sock")]
    Unsupported(String),
    #[error("invalid address {0:?}: expected unix:///path/to/bulkhead.sock")]
    Malformed(String),
}

impl Address {
    /// The address given by `-H`, else by BULKHEAD_HOST, else by DOCKER_HOST, else the default.
    pub(crate) fn choose(flag: Option<&str>) -> Result<Self, AddressError> {
        let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let chosen = match flag {
            Some(text) => Some(text.to_owned()),
            None => variable("BULKHEAD_HOST")
                .or_else(|| variable("DOCKER_HOST"))
                .map(|value| value.to_string_lossy().into_owned()),
        };
        match chosen {
            Some(text) => Self::parse(&text),
            None => Ok(Self {
                path: DEFAULT_SOCKET.into(),
                chosen: false,
            }),
        }
    }

    fn parse(text: &str) -> Result<Self, AddressError> {
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Ok(Self {
                path: path.into(),
                chosen: true,
            }),
            Some((scheme @ ("tcp" | "ssh" | "http" | "https" | "npipe" | "fd"), _)) => {
                Err(AddressError::Unsupported(scheme.to_owned()))
            }
            _ => Err(AddressError::Malformed(text.chars().take(100).collect())),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a daemon may be started for it: only for the default.
    pub(crate) fn may_start(&self) -> bool {
        !self.chosen
    }

    /// What to try when nothing answers there.
    pub(crate) fn hint(&self) -> String {
        format!("Start one with: bulkhead daemon -H {self}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.path.display())
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

    #[test]
    fn only_unix_sockets_are_addresses_so_far() {
        let address = Address::parse("unix:///tmp/a.sock").unwrap();
        assert_eq!(address.path(), Path::new("/tmp/a.sock"));
        assert!(!address.may_start());
        let told = |text: &str| Address::parse(text).unwrap_err().to_string();
        assert_eq!(
            told("tcp://1.2.3.4:2375"),
            "tcp:// addresses are not supported yet: use unix:///path/to/bulkhead.sock"
        );
        assert_eq!(
            told("foo"),
            "invalid address \"foo\": expected unix:///path/to/bulkhead.sock"
        );
        assert!(Address::parse("unix://").is_err());
    }
}
