//! HTTP clients and what sessions share: certificates and tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use reqwest::{Client, Identity, redirect};
use rustls::pki_types::CertificateDer;
use tokio::runtime::Handle;

use crate::address::PublicOnly;
use crate::auth::TokenCache;
use crate::config::FetchConfig;
use crate::error::FetchError;
use crate::session::{Session, SessionRequest};

mod own;
pub(crate) mod verify;

use own::Own;

/// Makes sessions. One per daemon.
#[derive(Debug)]
pub struct Fetcher {
    pub(crate) config: FetchConfig,
    insecure: RwLock<Arc<[String]>>,
    pub(crate) handle: Handle,
    pub(crate) tokens: TokenCache,
    clients: Mutex<HashMap<ClientKey, Client>>,
    /// The system's certificate authorities, read at the first HTTPS request.
    roots: OnceLock<Vec<CertificateDer<'static>>>,
}

/// What distinguishes clients; each has its own pool of connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    /// `host[:port]` when it may have certificate authorities of its own.
    pub(crate) authority: Option<String>,
    /// What its certificates were when the client was made.
    pub(crate) own: u64,
    /// Whether certificates are verified.
    pub(crate) verify: bool,
    /// Whether names may lead to public addresses only.
    pub(crate) public_only: bool,
    /// Whether proxies are left out, as for loopback.
    pub(crate) direct: bool,
    pub(crate) plain: bool,
}

impl Fetcher {
    /// A fetcher whose requests run on the runtime behind `handle`.
    pub fn new(config: FetchConfig, handle: Handle) -> Arc<Self> {
        // Fails when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Arc::new(Self {
            insecure: RwLock::new(config.insecure_registries.as_slice().into()),
            config,
            handle,
            tokens: TokenCache::default(),
            clients: Mutex::default(),
            roots: OnceLock::new(),
        })
    }

    /// Replaces the list of insecure registries, for sessions from now on.
    pub fn set_insecure_registries(&self, registries: &[String]) {
        let mut insecure = self
            .insecure
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *insecure = registries.into();
    }

    pub(crate) fn insecure_registries(&self) -> Arc<[String]> {
        let insecure = self.insecure.read();
        insecure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A session with one registry for one plugin call or one pull.
    pub fn session(self: &Arc<Self>, request: SessionRequest) -> Session {
        Session::new(Arc::clone(self), request)
    }

    /// A session that tries credentials out, see [`Session::identity_token`].
    pub fn login(self: &Arc<Self>, request: SessionRequest) -> Session {
        Session::to_log_in(Arc::clone(self), request)
    }

    pub(crate) fn client(&self, mut key: ClientKey) -> Result<Client, FetchError> {
        let authority = key.authority.take();
        let own = match &authority {
            Some(authority) if !key.plain => self.own(authority)?,
            _ => Own::default(),
        };
        if !own.is_empty() {
            key.authority = authority;
            key.own = own.fingerprint;
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, own)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, own: Own) -> Result<Client, FetchError> {
        let failed = |why: &dyn std::error::Error| FetchError::Client(deepest(why));
        let mut builder = Client::builder()
            .user_agent(&self.config.user_agent)
            .connect_timeout(self.config.connect_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .tcp_nodelay(true)
            .tls_certs_only([])
            .tls_danger_accept_invalid_certs(!key.verify)
            .pool_idle_timeout(std::time::Duration::from_secs(15));
        let mut roots = own.roots;
        if key.verify && !key.plain {
            roots.extend_from_slice(self.roots());
        }
        if key.verify && !roots.is_empty() {
            let tls = verify::config(roots, own.identity.as_deref()).map_err(|e| failed(&e))?;
            builder = builder.tls_backend_preconfigured(tls);
        } else if let Some(pem) = own.identity {
            let identity = Identity::from_pem(&pem).map_err(|e| failed(&e))?;
            builder = builder.identity(identity);
        }
        if key.direct {
            builder = builder.no_proxy();
        }
        if key.public_only {
            builder = builder.dns_resolver(Arc::new(PublicOnly { trusted: proxies() }));
        }
        builder.build().map_err(|e| failed(&e))
    }

    fn roots(&self) -> &[CertificateDer<'static>] {
        self.roots.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a system certificate store cannot be read");
            }
            found.certs
        })
    }

    fn own(&self, authority: &str) -> Result<Own, FetchError> {
        let Some(dir) = &self.config.certs_dir else {
            return Ok(Own::default());
        };
        // An authority is a host with a port: no slash, no dots alone.
        own::read(&dir.join(authority))
    }
}

/// Hosts of the proxies of the environment, which may well be private.
fn proxies() -> Vec<String> {
    let names = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ];
    let urls = names.iter().filter_map(|name| std::env::var(name).ok());
    urls.filter_map(|text| {
        let url =
            reqwest::Url::parse(&text).or_else(|_| reqwest::Url::parse(&format!("http://{text}")));
        url.ok()?.host_str().map(str::to_owned)
    })
    .collect()
}

/// The last error of a chain: the one that says something.
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
