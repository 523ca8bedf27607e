//! `POST /commit`.

use std::sync::Arc;

use bulkhead_api::container::ContainerConfig;
use bulkhead_api::image::Committed;
use bulkhead_api::query::CommitQuery;
use bulkhead_engine::CommitRequest;
use bulkhead_model::container::State;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{body, query};
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Makes an image of a container, which is paused meanwhile unless the client
/// says otherwise. It goes on when the client goes: a container must not stay
/// paused.
pub async fn commit(
    daemon: &Arc<Daemon>,
    text: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: CommitQuery = query(text)?;
    let body = body(request).await?;
    let config: Option<ContainerConfig> = match body.trim_ascii() {
        b"" => None,
        json => bulkhead_api::json::decode(json)?,
    };
    let daemon = daemon.clone();
    let done = tokio::spawn(async move { carry_out(&daemon, asked, config).await });
    let id = done.await.map_err(|_| ApiError::Panicked)??;
    Ok(reply::json(StatusCode::CREATED, &Committed { id }))
}

async fn carry_out(
    daemon: &Arc<Daemon>,
    asked: CommitQuery,
    config: Option<ContainerConfig>,
) -> Result<String, ApiError> {
    let record = daemon.engine.containers.find(&asked.container)?.record();
    let name = match asked.repo.as_str() {
        "" => None,
        repository => Some(convert::images::new_name(repository, &asked.tag)?),
    };
    let image = record.image_id.clone();
    let image = daemon.blocking(move |engine| engine.image(&image)).await?;
    let commit = CommitRequest {
        container: record.id.to_string(),
        name,
        author: asked.author,
        comment: asked.comment,
        changes: asked.changes,
        config: config.map(convert::commit::image_config).transpose()?,
        own: convert::commit::own_config(&record, Some(&image.config))?,
    };
    let runs = matches!(record.state, State::Running { paused: false, .. });
    let pause = asked.pause && runs;
    let id = record.id.as_str();
    if pause {
        daemon.engine.hold_still(id).await?;
    }
    let committed = daemon.blocking(move |engine| engine.commit(&commit)).await;
    if pause && let Err(error) = daemon.engine.unpause(id).await {
        // It may have been removed or unpaused by somebody else.
        let error = bulkhead_model::error::message(&error);
        tracing::info!(container = id, error, "unpausing after a commit");
    }
    Ok(committed?.id.to_string())
}
