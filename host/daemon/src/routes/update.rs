//! `POST /containers/{id}/update`.

use std::sync::Arc;

use bulkhead_api::container::{UpdateRequest, UpdateResponse};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::body;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Changes limits and restart policy.
pub async fn update(
    daemon: &Arc<Daemon>,
    id: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: UpdateRequest = bulkhead_api::json::decode(&body(request).await?)?;
    let update = convert::update::update(&asked)?;
    let warnings = daemon.engine.update(id, update).await?;
    Ok(reply::json(StatusCode::OK, &UpdateResponse { warnings }))
}
