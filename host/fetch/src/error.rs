//! How fetching fails.

use std::io;
use std::time::Duration;

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::registry::SessionError;
use bulkhead_store::StoreError;

use crate::refusal::Refusal;

/// An error of fetching. Where Docker (or Go's HTTP client, whose words Docker
/// passes on) has words for the case, they are used.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, not http(s), with credentials in it, and the like.
    #[error("invalid URL {url:?}: {reason}")]
    InvalidUrl {
        /// The URL.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// A request the session refuses to make.
    #[error("invalid request for {url}: {reason}")]
    InvalidRequest {
        /// The URL or path.
        url: String,
        /// Why.
        reason: String,
    },
    /// The plugin's grant does not cover the host.
    #[error("{url}: the grant does not cover host {host} (granted: {granted})")]
    NotGranted {
        /// The URL.
        url: String,
        /// Its host.
        host: String,
        /// The granted patterns.
        granted: String,
    },
    /// Plain HTTP where it may not be.
    #[error(
        "{0}: plain HTTP is allowed only for loopback and for registries configured as insecure"
    )]
    PlainHttp(String),
    /// A public registry led to a private address.
    #[error("{url}: refusing to follow a public registry to the private address {address}")]
    PrivateAddress {
        /// The URL.
        url: String,
        /// The address.
        address: String,
    },
    /// More than ten hops.
    #[error("{method} \"{url}\": stopped after 10 redirects")]
    TooManyRedirects {
        /// `Get` or `Head`.
        method: &'static str,
        /// The URL that was asked for first.
        url: String,
    },
    /// A hop that was visited before.
    #[error("{method} \"{url}\": redirect loop through {hop}")]
    RedirectLoop {
        /// `Get` or `Head`.
        method: &'static str,
        /// The URL that was asked for first.
        url: String,
        /// The URL met again.
        hop: String,
    },
    /// No connection, or it broke.
    #[error("{method} \"{url}\": {reason}")]
    Transport {
        /// `Get` or `Head`.
        method: &'static str,
        /// The URL.
        url: String,
        /// In Go's words where there are any.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("{method} \"{url}\": no data received for {after:?}")]
    Stalled {
        /// `Get` or `Head`.
        method: &'static str,
        /// The URL.
        url: String,
        /// The limit.
        after: Duration,
    },
    /// A document larger than the session reads.
    #[error("{url}: the document is larger than {limit} bytes")]
    TooLarge {
        /// The URL or path.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The registry refused.
    #[error("{0}")]
    Refused(Refusal),
    /// Credentials are needed and there are none, or they were refused.
    #[error("{0}")]
    Unauthorized(String),
    /// The token server's answer cannot be used.
    #[error("token server {realm}: {reason}")]
    Token {
        /// Its URL.
        realm: String,
        /// What is wrong.
        reason: String,
    },
    /// A certificate file cannot be used.
    #[error("certificate {path}")]
    Certificate {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The HTTP client could not be set up.
    #[error("set up the HTTP client: {0}")]
    Client(String),
    /// A file of the source's directory could not be read.
    #[error("read {path}")]
    File {
        /// Its path, relative to the directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The store refused the bytes.
    #[error(transparent)]
    Store(StoreError),
    /// The registry no longer knows an upload session, or does not believe
    /// what it was sent: all is to be sent once more.
    #[error("{url}: the registry dropped the upload: {reason}")]
    UploadLost {
        /// The session.
        url: String,
        /// In the registry's words.
        reason: String,
    },
    /// The registry stored something else than it was sent.
    #[error("the registry calls the blob {found}, but it is {expected}")]
    OtherDigest {
        /// What was sent.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Whoever the bytes were passed on to does not want more.
    #[error("pass on the bytes of {url}")]
    Sink {
        /// Where they come from.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// Whoever wanted it sent does not any more.
    #[error("nobody waits for {url} any more")]
    Unwanted {
        /// Where it was sent.
        url: String,
    },
}

impl FetchError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Stalled { .. } | Self::UploadLost { .. } => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Store(StoreError::Truncated { .. }) => true,
            _ => false,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            ErrorKind::Forbidden => "denied",
            ErrorKind::Unauthorized => "unauthorized",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Timeout => "timeout",
            ErrorKind::InvalidArgument => "invalid",
            ErrorKind::ResourceExhausted => "exhausted",
            _ => "unavailable",
        }
    }
}

impl Kind for FetchError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidUrl { .. } | Self::InvalidRequest { .. } => ErrorKind::InvalidArgument,
            Self::NotGranted { .. } | Self::PlainHttp(_) | Self::PrivateAddress { .. } => {
                ErrorKind::Forbidden
            }
            Self::TooManyRedirects { .. } | Self::RedirectLoop { .. } | Self::Transport { .. } => {
                ErrorKind::Unavailable
            }
            Self::Stalled { .. } => ErrorKind::Timeout,
            Self::TooLarge { .. } => ErrorKind::ResourceExhausted,
            Self::Refused(refusal) => refusal.kind(),
            Self::Unauthorized(_) => ErrorKind::Unauthorized,
            Self::Token { .. } | Self::UploadLost { .. } => ErrorKind::Unavailable,
            Self::OtherDigest { .. } => ErrorKind::InvalidArgument,
            Self::Certificate { .. } | Self::Client(_) => ErrorKind::Internal,
            Self::Sink { .. } | Self::Unwanted { .. } => ErrorKind::Internal,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::InvalidArgument,
            },
            Self::Store(error) => error.kind(),
        }
    }
}

impl From<FetchError> for SessionError {
    /// For the plugin: the message never holds a secret, because URLs with
    /// credentials are refused and headers are not printed.
    fn from(error: FetchError) -> Self {
        let mut message = error.to_string();
        if let FetchError::File { source, .. } | FetchError::Certificate { source, .. } = &error {
            message = format!("{message}: {source}");
        }
        Self {
            code: error.code(),
            message,
            retryable: error.is_transient(),
        }
    }
}
