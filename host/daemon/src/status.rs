//! One table from kinds of error to HTTP status codes.

use bulkhead_api::filters::InvalidFilter;
use bulkhead_api::json::DecodeError;
use bulkhead_api::query::QueryError;
use bulkhead_api::version::VersionError;
use bulkhead_engine::EngineError;
use bulkhead_model::ErrorKind;
use bulkhead_model::error::Kind;
use hyper::StatusCode;

use crate::convert::bad_request::BadRequest;
use crate::websocket::BadHandshake;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The texts say what each is.
pub enum ApiError {
    #[error("page not found")]
    NoSuchPage,
    #[error("`since` time ({since}) cannot be after `until` time ({until})")]
    SinceAfterUntil { since: String, until: String },
    #[error(transparent)]
    Websocket(#[from] BadHandshake),
    #[error("invalid registry address {0:?}")]
    ServerAddress(String),
    #[error("Get \"{0}\": unauthorized: incorrect username or password")]
    Unauthorized(String),
    #[error(transparent)]
    Registry(#[from] bulkhead_model::registry::SessionError),
    #[error("refusing to create a tag with a digest reference")]
    DigestAsName,
    #[error("unknown object type: {0}")]
    ObjectType(String),
    #[error(transparent)]
    Moment(#[from] bulkhead_api::time::InvalidMoment),
    #[error("invalid {0} {1:?} of a push")]
    PushOption(&'static str, String),
    #[error("Limit {0} is outside the range of [1, 100]")]
    SearchLimit(u32),
    #[error("plugin \"{0}\" not found")]
    NoSuchPlugin(String),
    #[error(
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
    )]
    NoSwarm,
    #[error("request body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the request body did not arrive within {0} seconds")]
    SlowBody(u64),
    #[error("reading the request body: {0}")]
    Body(hyper::Error),
    #[error("nothing to change: the container is already {0}")]
    NotModified(&'static str),
    #[error("{0} is not supported by this daemon")]
    Unsupported(&'static str),
    #[error("invalid X-Registry-Auth header")]
    Auth(#[from] bulkhead_api::auth::InvalidAuth),
    #[error("Invalid detach keys ({0}) provided")]
    DetachKeys(String),
    #[error("Invalid escape keys ({0}) provided")]
    EscapeKeys(String),
    #[error("a prune operation is already running")]
    PruneRuns,
    #[error("handing the connection over")]
    Connection(#[source] std::io::Error),
    #[error("starting a thread: {0}")]
    Thread(std::io::Error),
    #[error("a worker of the daemon panicked")]
    Panicked,
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    #[error(transparent)]
    Platform(#[from] bulkhead_model::platform::InvalidPlatform),
    #[error(transparent)]
    Reference(#[from] bulkhead_model::reference::InvalidReference),
    #[error(transparent)]
    Fetch(#[from] bulkhead_fetch::FetchError),
    #[error(transparent)]
    Pull(EngineError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ApiError {
    /// The whole story for the user.
    pub fn message(&self) -> String {
        bulkhead_model::error::message(self)
    }

    /// The status the answer carries.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::NoSuchPlugin(_) => StatusCode::NOT_FOUND,
            Self::PruneRuns => StatusCode::CONFLICT,
            Self::NoSwarm => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::NotModified(_) => StatusCode::NOT_MODIFIED,
            Self::Unsupported(_) | Self::BadRequest(BadRequest::Unsupported(_)) => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Websocket(BadHandshake::Origin) => StatusCode::FORBIDDEN,
            Self::Panicked | Self::Thread(_) | Self::Connection(_) | Self::Registry(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Pull(EngineError::Registry(error)) => of_pull(error.kind()),
            Self::Engine(error) | Self::Pull(error) => of_kind(error.kind()),
            Self::Fetch(error) => of_kind(error.kind()),
            Self::Body(_)
            | Self::SinceAfterUntil { .. }
            | Self::Moment(_)
            | Self::DetachKeys(_)
            | Self::EscapeKeys(_)
            | Self::ObjectType(_)
            | Self::DigestAsName
            | Self::ServerAddress(_)
            | Self::Websocket(BadHandshake::Header(_))
            | Self::PushOption(..)
            | Self::SearchLimit(_)
            | Self::Auth(_)
            | Self::Version(_)
            | Self::Query(_)
            | Self::Filter(_)
            | Self::Decode(_)
            | Self::BadRequest(_)
            | Self::Platform(_)
            | Self::Reference(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Docker's choice where a registry refuses a pull. By 401 its client would
/// take the daemon to ask for a login, and prompt for one.
fn of_pull(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unauthorized => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Forbidden => StatusCode::NOT_FOUND,
        kind => of_kind(kind),
    }
}

/// Docker's choice for each kind.
fn of_kind(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidArgument
        | ErrorKind::CommandNotFound
        | ErrorKind::CommandNotExecutable => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::ResourceExhausted
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
