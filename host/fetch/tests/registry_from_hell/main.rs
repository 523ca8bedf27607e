//! What registries do to those who pull from them and push to them.

mod bodies;
mod credentials;
mod limits;
mod redirects;
mod scripted;
mod uploads;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bulkhead_fetch::{Credentials, FetchConfig, FetchError, Fetcher, Session, SessionRequest};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::registry::{BlobDescriptor, BlobLocation, RegistrySession};
use bulkhead_store::{Store, StoreError, manifest::digest_of, stream};
use scripted::{Server, head, reply};

struct Client {
    runtime: tokio::runtime::Runtime,
    store: Store,
    _dir: tempfile::TempDir,
    config: FetchConfig,
}

impl Client {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = FetchConfig {
            // Long, as nothing stalls but where a test makes it.
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            attempts: 3,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(100),
            ..FetchConfig::default()
        };
        Self {
            runtime,
            store: Store::open(&dir.path().join("data")).unwrap(),
            _dir: dir,
            config,
        }
    }

    /// One that soon gives up what stalls.
    fn impatient() -> Self {
        let mut client = Self::new();
        client.config.stall_timeout = Duration::from_millis(300);
        client
    }

    fn session(&self, registry: &str, hosts: &[&str], credentials: Option<Credentials>) -> Session {
        let fetcher = Fetcher::new(self.config.clone(), self.runtime.handle().clone());
        fetcher.session(SessionRequest {
            registry: registry.to_owned(),
            granted_hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            credentials,
            directory: None,
        })
    }

    fn download(&self, server: &Server, bytes: &[u8]) -> Result<(), FetchError> {
        self.download_to(server, bytes, None)
    }

    fn download_to(
        &self,
        server: &Server,
        bytes: &[u8],
        sink: Option<&mut dyn Write>,
    ) -> Result<(), FetchError> {
        let session = self.session(&server.registry(), &["{registry}"], None);
        session.download(
            &at(server.url("/blob")),
            &blob(bytes),
            self.store.blobs(),
            &|_| (),
            sink,
        )
    }

    fn has(&self, bytes: &[u8]) -> bool {
        self.store.blobs().has(&digest_of(bytes)).unwrap()
    }
}

fn at(url: String) -> BlobLocation {
    BlobLocation::Url {
        url,
        headers: Vec::new(),
    }
}

fn blob(bytes: &[u8]) -> BlobDescriptor {
    BlobDescriptor {
        digest: digest_of(bytes),
        size: bytes.len() as u64,
        media_type: String::new(),
    }
}

fn sample() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn user() -> Option<Credentials> {
    Some(Credentials::Basic {
        username: "user".into(),
        password: "secret".into(),
    })
}

fn get(
    session: &mut Session,
    url: &str,
) -> Result<bulkhead_model::registry::Response, (String, String)> {
    session
        .request("GET", url, &[])
        .map_err(|e| (e.code.to_owned(), e.message))
}
