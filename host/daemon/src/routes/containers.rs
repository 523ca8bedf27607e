//! `/containers`: create, start, stop, kill, resize, remove.

use std::sync::Arc;

use bulkhead_api::container::{CreateRequest, CreateResponse};
use bulkhead_api::query::{
    CreateQuery, KillQuery, RemoveQuery, RenameQuery, ResizeQuery, StopQuery,
};
use bulkhead_model::container::Decision;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{body, query};
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `POST /containers/create`
pub async fn create(daemon: &Arc<Daemon>, text: &str, request: Request<Incoming>) -> Answer {
    let CreateQuery { name, .. } = query(text)?;
    let request = CreateRequest::decode(&body(request).await?)?;
    let spec = convert::create::spec(&request)?;
    let mut warnings =
        convert::warnings::of(&request.host_config, convert::warnings::Abilities::here());
    let created = daemon
        .blocking(move |engine| engine.create(spec, Some(name.as_str()).filter(|n| !n.is_empty())))
        .await?;
    warnings.extend(created.warnings);
    let response = CreateResponse {
        id: created.id.to_string(),
        warnings,
    };
    Ok(reply::json(StatusCode::CREATED, &response))
}

/// `POST /containers/{id}/start`
pub async fn start(daemon: &Arc<Daemon>, id: &str) -> Answer {
    match daemon.engine.start(id).await? {
        Decision::NothingToDo => Err(ApiError::NotModified("started")),
        _ => Ok(reply::empty(StatusCode::NO_CONTENT)),
    }
}

/// `POST /containers/{id}/stop`
pub async fn stop(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let StopQuery { signal, timeout } = query(text)?;
    let signal = Some(signal.as_str()).filter(|s| !s.is_empty());
    let timeout = timeout.map(i64::from);
    match daemon.engine.stop(id, signal, timeout).await? {
        Decision::NothingToDo => Err(ApiError::NotModified("stopped")),
        _ => Ok(reply::empty(StatusCode::NO_CONTENT)),
    }
}

/// `POST /containers/{id}/restart`
pub async fn restart(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let StopQuery { signal, timeout } = query(text)?;
    let signal = Some(signal.as_str()).filter(|s| !s.is_empty());
    let timeout = timeout.map(i64::from);
    daemon.engine.restart(id, signal, timeout).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/kill`
pub async fn kill(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let KillQuery { signal } = query(text)?;
    let signal = Some(signal.as_str()).filter(|s| !s.is_empty());
    daemon.engine.kill(id, signal.unwrap_or("KILL")).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/pause`
pub async fn pause(daemon: &Arc<Daemon>, id: &str) -> Answer {
    daemon.engine.pause(id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/unpause`
pub async fn unpause(daemon: &Arc<Daemon>, id: &str) -> Answer {
    daemon.engine.unpause(id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/rename`
pub async fn rename(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let RenameQuery { name } = query(text)?;
    daemon.engine.rename(id, &name).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `DELETE /containers/{id}`
pub async fn remove(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let RemoveQuery {
        volumes,
        force,
        link,
    } = query(text)?;
    if link {
        return Err(ApiError::Unsupported("removing links"));
    }
    daemon.engine.remove(id, force, volumes).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/resize`
pub async fn resize(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let ResizeQuery { height, width } = query(text)?;
    daemon
        .blocking(move |engine| engine.resize(&id, width, height))
        .await?;
    Ok(reply::empty(StatusCode::OK))
}
