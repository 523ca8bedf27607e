//! One file per resource of the API.

pub mod archive;
pub mod attach;
pub mod check;
pub mod commit;
pub mod containers;
pub mod credentials;
pub mod distribution;
pub mod events;
pub mod exec;
pub mod firewall;
pub mod image_archive;
pub mod images;
pub mod import;
pub mod info;
pub mod inspect;
pub mod list;
pub mod login;
pub mod logs;
pub mod networks;
mod pieces;
pub mod progress;
pub mod prune;
pub mod push;
pub mod stats;
pub mod system;
pub mod trace;
pub mod update;
pub mod usage;
pub mod volumes;
pub mod wait;

use std::time::Duration;

use bulkhead_api::query::{Params, QueryError};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Incoming;

use crate::status::ApiError;

/// The largest JSON body a call may have, bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// A client that has not sent its request's body by then is let go.
const BODY_WITHIN: Duration = Duration::from_secs(60);

/// A call's typed query.
pub(crate) fn query<T: Params>(text: &str) -> Result<T, QueryError> {
    T::parse(text)
}

/// A call's whole body.
pub(crate) async fn body(request: Request<Incoming>) -> Result<Bytes, ApiError> {
    let whole = Limited::new(request.into_body(), MAX_BODY).collect();
    let Ok(read) = tokio::time::timeout(BODY_WITHIN, whole).await else {
        return Err(ApiError::SlowBody(BODY_WITHIN.as_secs()));
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge(MAX_BODY)),
        Err(error) => Err(error
            .downcast::<hyper::Error>()
            .map_or(ApiError::Panicked, |e| ApiError::Body(*e))),
    }
}
