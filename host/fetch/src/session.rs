//! One registry, one grant, one user: what a registry plugin works with.

mod files;

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::network::Cidr;
use bulkhead_model::registry::{RegistrySession, Response, SessionError};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use tokio::sync::OnceCell;

use crate::address::is_public;
use crate::auth::{self, Authorization, Challenge, Credentials};
use crate::client::{ClientKey, Fetcher};
use crate::error::FetchError;
use crate::grant::Grant;
use crate::retry::{pause, retry_after};
use crate::send::{Answer, Outgoing, body_within, follow};
use crate::target::{Registry, Target};

/// The largest document a plugin is given.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
/// How often a session authenticates before a registry that is never content
/// is given up.
const MAX_AUTHENTICATIONS: u32 = 16;
/// Headers that are the host's to set.
const RESERVED: [&str; 12] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "range",
    "accept-encoding",
    "user-agent",
];
/// Headers a plugin is not shown: cookies and hop-by-hop ones (RFC 9110 7.6.1).
const HIDDEN: [&str; 8] = [
    "set-cookie",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "authentication-info",
];

/// What a session is for.
#[derive(Debug)]
pub struct SessionRequest {
    /// The registry the user named, `host[:port]`: a reference's `domain`.
    pub registry: String,
    /// The host patterns of the plugin's grant.
    pub granted_hosts: Vec<String>,
    /// What the user gave for that registry.
    pub credentials: Option<Credentials>,
    /// The directory of a source that is one (an OCI layout).
    pub directory: Option<OwnedFd>,
}

/// A session; clones share it, so that blobs can be downloaded by several
/// threads while the plugin works on.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) registry: Registry,
    pub(crate) credentials: Option<Credentials>,
    /// Of a login: the refresh token that the token server gave.
    pub(crate) login: Option<Mutex<String>>,
    grant: Grant,
    directory: Option<OwnedFd>,
    /// Whether plain HTTP is what a user asked for.
    plain: bool,
    authorization: Mutex<Option<Authorization>>,
    /// Realms the registry itself named in a 401: the only ones credentials
    /// may go to, whatever the plugin says.
    realms: Mutex<HashSet<String>>,
    authentications: AtomicU32,
    /// Whether the registry is on a public address.
    is_public: OnceCell<bool>,
}

impl Session {
    pub(crate) fn new(fetcher: Arc<Fetcher>, request: SessionRequest) -> Self {
        Self::of(Inner::new(fetcher, request))
    }

    /// A session that tries credentials out, and asks for a refresh token to
    /// keep in their place.
    pub(crate) fn to_log_in(fetcher: Arc<Fetcher>, request: SessionRequest) -> Self {
        let login = Some(Mutex::default());
        Self::of(Inner {
            login,
            ..Inner::new(fetcher, request)
        })
    }

    /// A session for a URL that a user wrote, in plain HTTP perhaps.
    pub(crate) fn of_user(fetcher: Arc<Fetcher>, request: SessionRequest, plain: bool) -> Self {
        Self::of(Inner {
            plain,
            ..Inner::new(fetcher, request)
        })
    }

    fn of(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self { inner }
    }

    /// The refresh token that a login was given; empty for none.
    pub fn identity_token(&self) -> String {
        let login = self.inner.login.as_ref();
        let token = login.map(|token| token.lock().unwrap_or_else(PoisonError::into_inner).clone());
        token.unwrap_or_default()
    }
}

impl Inner {
    fn new(fetcher: Arc<Fetcher>, request: SessionRequest) -> Self {
        Self {
            fetcher,
            registry: Registry::new(&request.registry),
            credentials: request.credentials,
            login: None,
            grant: Grant::new(&request.granted_hosts),
            directory: request.directory,
            plain: false,
            authorization: Mutex::default(),
            realms: Mutex::default(),
            authentications: AtomicU32::new(0),
            is_public: OnceCell::new(),
        }
    }
}

impl RegistrySession for Session {
    fn request(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Response, SessionError> {
        let inner = &self.inner;
        let method = match method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            other => {
                return Err(invalid(url, format!("method {other:?} is not GET or HEAD")).into());
            }
        };
        let outgoing = Outgoing::bare(method, plugin_headers(url, headers)?);
        let target = Target::parse(url)?;
        let document = inner.document(target, &outgoing);
        Ok(inner.fetcher.handle.block_on(document)?)
    }

    fn send(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Response, SessionError> {
        let method = match method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => {
                let reason = format!("method {other:?} is not POST, PUT, PATCH or DELETE");
                return Err(invalid(url, reason).into());
            }
        };
        if body.len() as u64 > MAX_DOCUMENT {
            let (url, limit) = (url.to_owned(), MAX_DOCUMENT);
            return Err(FetchError::TooLarge { url, limit }.into());
        }
        let outgoing = Outgoing {
            method,
            headers: plugin_headers(url, headers)?,
            body: Some(Bytes::copy_from_slice(body)),
        };
        let inner = &self.inner;
        let target = Target::parse(url)?;
        let document = inner.document(target, &outgoing);
        Ok(inner.fetcher.handle.block_on(document)?)
    }

    fn authenticate(
        &mut self,
        registry: &str,
        scheme: &str,
        params: &[(String, String)],
    ) -> Result<(), SessionError> {
        let inner = &self.inner;
        if !inner.registry.is_called(registry) {
            let reason = format!("this session authenticates to {} only", inner.registry.name);
            return Err(invalid(registry, reason).into());
        }
        Ok(inner
            .fetcher
            .handle
            .block_on(inner.authenticate(scheme, params))?)
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError> {
        Ok(self.inner.read_document(path)?)
    }

    fn allows_http(&self, registry: &str) -> bool {
        let named = Registry::new(registry);
        named.is_loopback() || self.inner.is_insecure(registry, named.literal())
    }
}

impl Inner {
    /// Whether a request may go to `target` at all.
    pub(crate) async fn check(&self, target: &Target) -> Result<(), FetchError> {
        let url = || target.url.to_string();
        if !self.grant.covers(target, &self.registry) {
            return Err(FetchError::NotGranted {
                url: url(),
                host: target.authority(),
                granted: self.grant.shown(),
            });
        }
        if target.is_plain() && !self.plain && !self.is_lenient(target) {
            return Err(FetchError::PlainHttp(url()));
        }
        match target.literal() {
            Some(address) if !is_public(address) && self.only_public(target).await => {
                Err(FetchError::PrivateAddress {
                    url: url(),
                    address: address.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The client for a checked target.
    pub(crate) async fn client(&self, target: &Target) -> Result<Client, FetchError> {
        let public_only = target.literal().is_none() && self.only_public(target).await;
        self.fetcher.client(ClientKey {
            authority: Some(target.authority()),
            own: 0,
            verify: !self.is_lenient(target),
            public_only,
            direct: target.is_loopback(),
            plain: target.is_plain(),
        })
    }

    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.current().as_ref().map(|a| a.header.clone())
    }

    /// Remembers where the registry sends those it does not know.
    pub(crate) fn note_challenge(&self, response: &reqwest::Response) {
        if response.status() != reqwest::StatusCode::UNAUTHORIZED {
            return;
        }
        let values = response
            .headers()
            .get_all(reqwest::header::WWW_AUTHENTICATE);
        for value in values.iter().filter_map(|v| v.to_str().ok()) {
            if let Some(realm) = realm_of(value) {
                self.realms
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(realm);
            }
        }
    }

    /// After a 401 in a download: a new token for the same challenge, once
    /// the old one's time is over.
    pub(crate) async fn renew(&self) -> Result<bool, FetchError> {
        let Some(old) = self.current().clone() else {
            return Ok(false);
        };
        let Some(challenge) = old.challenge else {
            return Ok(false);
        };
        self.count_authentication()?;
        let new = auth::bearer(self, challenge, Some(&old.header)).await?;
        *self.current() = Some(new);
        Ok(true)
    }

    async fn document(&self, target: Target, outgoing: &Outgoing) -> Result<Response, FetchError> {
        let config = &self.fetcher.config;
        let mut failed = 0;
        loop {
            let Answer {
                response, target, ..
            } = follow(self, target.clone(), outgoing).await?;
            let status = response.status().as_u16();
            failed += 1;
            if matches!(status, 429 | 502 | 503 | 504) && failed < config.attempts {
                tokio::time::sleep(pause(config, failed, asked_pause(&response))).await;
                continue;
            }
            let headers = shown_headers(response.headers());
            let body = match outgoing.method {
                Method::HEAD => Vec::new(),
                _ => body_within(self, &target, response, MAX_DOCUMENT).await?,
            };
            return Ok(Response {
                status,
                headers,
                body,
            });
        }
    }

    async fn authenticate(
        &self,
        scheme: &str,
        params: &[(String, String)],
    ) -> Result<(), FetchError> {
        self.count_authentication()?;
        let authorization = match scheme.to_ascii_lowercase().as_str() {
            "basic" => auth::basic(self)?,
            "bearer" => {
                let challenge = Challenge::new(params);
                if !self.was_named(&challenge.realm) {
                    let reason = format!(
                        "{} did not name this realm in a challenge",
                        self.registry.name
                    );
                    return Err(invalid(&challenge.realm, reason));
                }
                let refused = self.authorization();
                auth::bearer(self, challenge, refused.as_ref()).await?
            }
            other => {
                return Err(invalid(
                    &self.registry.name,
                    format!("unknown scheme {other:?}"),
                ));
            }
        };
        *self.current() = Some(authorization);
        Ok(())
    }

    fn was_named(&self, realm: &str) -> bool {
        self.realms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(realm)
    }

    fn count_authentication(&self) -> Result<(), FetchError> {
        if self.authentications.fetch_add(1, Ordering::Relaxed) < MAX_AUTHENTICATIONS {
            return Ok(());
        }
        Err(FetchError::Unauthorized(format!(
            "{} asks for authentication again and again",
            self.registry.name
        )))
    }

    fn current(&self) -> MutexGuard<'_, Option<Authorization>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether plain HTTP and unverified certificates are accepted: as with
    /// Docker, on loopback and where the administrator said so.
    fn is_lenient(&self, target: &Target) -> bool {
        target.is_loopback() || self.is_insecure(&target.authority(), target.literal())
    }

    fn is_insecure(&self, authority: &str, literal: Option<IpAddr>) -> bool {
        self.fetcher.insecure_registries().iter().any(|insecure| {
            match (insecure.parse::<Cidr>(), literal) {
                (Ok(network), Some(address)) => network.contains(address),
                (Ok(_), None) => false,
                (Err(_), _) => insecure.eq_ignore_ascii_case(authority),
            }
        })
    }

    /// Whether a target other than the registry must have a public address:
    /// when the registry itself has one.
    async fn only_public(&self, target: &Target) -> bool {
        !self.registry.is_at(target) && *self.is_public.get_or_init(|| self.find_public()).await
    }

    /// A registry whose name leads nowhere counts as public: the stricter rule.
    async fn find_public(&self) -> bool {
        if let Some(address) = self.registry.literal() {
            return is_public(address);
        }
        if self.registry.is_loopback() {
            return false;
        }
        match tokio::net::lookup_host(self.registry.host_and_port()).await {
            Ok(mut addresses) => addresses.all(|a| is_public(a.ip())),
            Err(_) => true,
        }
    }
}

/// What a server asked to wait.
pub(crate) fn asked_pause(response: &reqwest::Response) -> Option<std::time::Duration> {
    response
        .headers()
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()
        .and_then(retry_after)
}

/// Checks and converts the headers a plugin wants to send.
pub(crate) fn plugin_headers(
    url: &str,
    headers: &[(String, String)],
) -> Result<HeaderMap, FetchError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(invalid(
                url,
                format!("header {name:?} is the host's to set"),
            ));
        }
        let malformed = || invalid(url, format!("header {name:?} is malformed"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        map.append(
            header,
            HeaderValue::from_str(value).map_err(|_| malformed())?,
        );
    }
    Ok(map)
}

fn shown_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers
        .iter()
        .filter(|(name, _)| !HIDDEN.contains(&name.as_str()));
    shown
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

/// `realm="…"` of a challenge (RFC 9110 11.6.1).
fn realm_of(challenge: &str) -> Option<String> {
    let at = challenge.to_ascii_lowercase().find("realm=\"")? + "realm=\"".len();
    let rest = &challenge[at..];
    Some(rest[..rest.find('"')?].to_owned())
}

pub(crate) fn invalid(url: &str, reason: String) -> FetchError {
    FetchError::InvalidRequest {
        url: url.chars().take(300).collect(),
        reason,
    }
}
