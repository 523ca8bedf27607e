//! What an administrator may set.

use std::path::PathBuf;
use std::time::Duration;

/// How to fetch.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// How long a peer may stay silent before an answer or within a body.
    pub stall_timeout: Duration,
    /// How often a transfer is tried in all.
    pub attempts: u32,
    /// The pause before the second try; doubled for each further one.
    pub first_pause: Duration,
    /// The longest pause, also when a server's `Retry-After` asks for more.
    pub longest_pause: Duration,
    /// Bytes of a blob that are sent in one request at most. What such a
    /// request brought stays when a later one breaks off.
    pub upload_chunk: u64,
    /// Registries (`host[:port]`, or a CIDR for addresses) that may speak
    /// plain HTTP or have a certificate nobody vouches for.
    pub insecure_registries: Vec<String>,
    /// `<dir>/<host[:port]>/`: `*.crt` are certificate authorities for one
    /// registry, `*.cert` with `*.key` what we show it; as Docker's
    /// `/etc/docker/certs.d`.
    pub certs_dir: Option<PathBuf>,
    /// `User-Agent`.
    pub user_agent: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            upload_chunk: 256 << 20,
            insecure_registries: Vec::new(),
            certs_dir: None,
            user_agent: concat!("bulkhead/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
