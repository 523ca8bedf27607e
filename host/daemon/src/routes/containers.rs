//! `/containers`: create, list, inspect, start, stop, kill, resize, remove.

use std::sync::Arc;

use bulkhead_api::Filters;
use bulkhead_api::container::{CreateRequest, CreateResponse};
use bulkhead_api::query::{CreateQuery, KillQuery, ListQuery, RemoveQuery, ResizeQuery, StopQuery};
use bulkhead_engine::container::Container;
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
    let created = daemon
        .blocking(move |engine| engine.create(spec, Some(name.as_str()).filter(|n| !n.is_empty())))
        .await?;
    let response = CreateResponse {
        id: created.id.to_string(),
        warnings: created.warnings,
    };
    Ok(reply::json(StatusCode::CREATED, &response))
}

/// `GET /containers/json`
pub async fn list(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let ListQuery {
        all,
        limit,
        filters,
        ..
    } = query(text)?;
    filters.only(&[
        "ancestor", "exited", "id", "label", "name", "network", "status", "volume",
    ])?;
    let mut records: Vec<Container> = daemon
        .engine
        .containers
        .all()
        .iter()
        .rev()
        .map(|e| e.record())
        .collect();
    let everything = all || limit.is_some() || filters.values("status").next().is_some();
    records.retain(|r| (everything || r.state.is_running()) && matches(r, &filters));
    if let Some(limit) = limit {
        records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let now = convert::now();
    let rows: Vec<_> = records
        .iter()
        .map(|r| convert::list::summary(r, now))
        .collect();
    Ok(reply::json(StatusCode::OK, &rows))
}

fn matches(record: &Container, filters: &Filters) -> bool {
    use bulkhead_model::container::State;
    let exited = |code: &str| matches!(&record.state, State::Exited { status, .. } if status.code.to_string() == code);
    filters.matches("id", |v| record.id.as_str().starts_with(v))
        && filters.matches("name", |v| {
            record.name.contains(
                v.trim_start_matches('/')
                    .trim_start_matches('^')
                    .trim_end_matches('$'),
            )
        })
        && filters.matches("status", |v| convert::list::state_word(&record.state) == v)
        && filters.matches("exited", exited)
        && filters.matches("ancestor", |v| {
            record.spec.image == v || record.image_id.trim_start_matches("sha256:").starts_with(v)
        })
        && filters.matches("network", |v| {
            let mut networks = record.networks.iter();
            networks.any(|m| m.name == v || m.network.starts_with(v))
        })
        && filters.matches("volume", |v| {
            record
                .mounts
                .iter()
                .any(|m| m.volume.as_deref() == Some(v) || m.target == v)
        })
        && filters.values("label").all(|v| match v.split_once('=') {
            Some((key, value)) => record.spec.labels.get(key).is_some_and(|l| l == value),
            None => record.spec.labels.contains_key(v),
        })
}

/// `GET /containers/{id}/json`
pub async fn inspect(daemon: &Arc<Daemon>, id: &str) -> Answer {
    let record = daemon.engine.containers.find(id)?.record();
    let folder = daemon.engine.store.container_path(&record.id);
    let id = record.image_id.clone();
    // Gone when it was removed by force.
    let image = daemon.blocking(move |engine| engine.image(&id)).await.ok();
    let config = image.as_ref().map(|image| &image.config);
    Ok(reply::json(
        StatusCode::OK,
        &convert::inspect::inspect(&record, config, &folder),
    ))
}

/// `POST /containers/{id}/start`
pub async fn start(daemon: &Arc<Daemon>, id: String) -> Answer {
    let id = daemon.engine.containers.find(&id)?.record().id;
    daemon.start(&id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/stop`
pub async fn stop(daemon: &Arc<Daemon>, id: &str, text: &str) -> Answer {
    let StopQuery { signal, timeout } = query(text)?;
    let signal = Some(signal.as_str()).filter(|s| !s.is_empty());
    match daemon
        .engine
        .stop(id, signal, timeout.map(i64::from))
        .await?
    {
        Decision::NothingToDo => Err(ApiError::NotModified("stopped")),
        _ => Ok(reply::empty(StatusCode::NO_CONTENT)),
    }
}

/// `POST /containers/{id}/restart`
pub async fn restart(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let StopQuery { signal, timeout } = query(text)?;
    let signal = Some(signal.as_str()).filter(|s| !s.is_empty());
    daemon
        .engine
        .stop(&id, signal, timeout.map(i64::from))
        .await?;
    start(daemon, id).await
}

/// `POST /containers/{id}/kill`
pub async fn kill(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let KillQuery { signal } = query(text)?;
    let signal = if signal.is_empty() {
        "KILL".to_owned()
    } else {
        signal
    };
    daemon
        .blocking(move |engine| engine.kill(&id, &signal))
        .await?;
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
    let record = daemon.engine.containers.find(id)?.record();
    daemon.engine.stop_for_removal(&record.id, force).await?;
    let target = record.id.to_string();
    daemon
        .blocking(move |engine| engine.remove(&target, volumes))
        .await?;
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
