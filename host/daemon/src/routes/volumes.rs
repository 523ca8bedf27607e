//! `/volumes`.

use std::sync::Arc;

use bulkhead_api::query::{FiltersQuery, VolumeRemoveQuery};
use bulkhead_api::usage::VolumesPruned;
use bulkhead_api::volume::{VolumeCreateRequest, VolumeList, VolumeUpdateRequest};
use bulkhead_api::{ApiVersion, Filters};
use bulkhead_engine::Volume;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::pieces::Patience;
use super::{archive, body, query};
use crate::convert::select::pattern;
use crate::convert::{self, filters};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// The first version whose prune spares volumes with names.
const SPARES_NAMED: ApiVersion = ApiVersion {
    major: 1,
    minor: 42,
};

/// `GET /volumes`
pub async fn list(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let FiltersQuery { filters: chosen } = query(text)?;
    chosen.only(&["dangling", "driver", "label", "name"])?;
    let dangling = filters::flag(&chosen, "dangling")?;
    let volumes = daemon
        .blocking(move |engine| {
            let used = |v: &Volume| !engine.volume_users(&v.name).is_empty();
            let mut all = engine.volumes()?;
            all.retain(|v| matches(v, &chosen) && dangling.is_none_or(|d| d != used(v)));
            Ok(all)
        })
        .await?;
    let list = VolumeList {
        volumes: volumes.iter().map(convert::volumes::volume).collect(),
        warnings: Vec::new(),
    };
    Ok(reply::json(StatusCode::OK, &list))
}

fn matches(volume: &Volume, chosen: &Filters) -> bool {
    let labels = volume.labels.clone().unwrap_or_default();
    let is_named =
        |v: &str| v == volume.name || pattern(v).is_some_and(|name| name.is_match(&volume.name));
    chosen.matches("name", is_named)
        && chosen.matches("driver", |v| v == volume.driver)
        && filters::has_labels(&labels, chosen)
}

/// `GET /volumes/{name}`
pub async fn inspect(daemon: &Arc<Daemon>, name: String) -> Answer {
    let volume = daemon.blocking(move |engine| engine.volume(&name)).await?;
    Ok(reply::json(
        StatusCode::OK,
        &convert::volumes::volume(&volume),
    ))
}

/// `POST /volumes/create`
pub async fn create(daemon: &Arc<Daemon>, request: Request<Incoming>) -> Answer {
    let bytes = body(request).await?;
    let asked = match bytes.is_empty() {
        true => VolumeCreateRequest::default(),
        false => bulkhead_api::json::decode(&bytes)?,
    };
    let spec = convert::volumes::spec(asked);
    let volume = daemon
        .blocking(move |engine| engine.create_volume(spec))
        .await?;
    Ok(reply::json(
        StatusCode::CREATED,
        &convert::volumes::volume(&volume),
    ))
}

/// `PUT /volumes/{name}`
pub async fn update(daemon: &Arc<Daemon>, name: String, request: Request<Incoming>) -> Answer {
    let VolumeUpdateRequest {
        labels,
        remove_labels,
        spec,
    } = bulkhead_api::json::decode(&body(request).await?)?;
    if spec.is_some() {
        return Err(ApiError::NoSwarm);
    }
    daemon
        .blocking(move |engine| engine.update_volume(&name, labels, &remove_labels))
        .await?;
    Ok(reply::empty(StatusCode::OK))
}

/// `GET /volumes/{name}/archive`
pub async fn backup(daemon: &Arc<Daemon>, name: String) -> Answer {
    let started = archive::download(daemon, Patience::endless(), move |engine, begin| {
        engine.backup_volume(&name, || begin(()))
    });
    Ok(started.await?.1)
}

/// `PUT /volumes/{name}/archive`
pub async fn restore(daemon: &Arc<Daemon>, name: String, request: Request<Incoming>) -> Answer {
    archive::upload(
        daemon,
        Patience::endless(),
        request,
        move |engine, archive| engine.restore_volume(&name, archive),
    )
    .await?;
    Ok(reply::empty(StatusCode::OK))
}

/// `DELETE /volumes/{name}`
pub async fn remove(daemon: &Arc<Daemon>, name: String, text: &str) -> Answer {
    let VolumeRemoveQuery { force } = query(text)?;
    daemon
        .blocking(move |engine| engine.remove_volume(&name, force))
        .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /volumes/prune`
pub async fn prune(daemon: &Arc<Daemon>, text: &str, version: ApiVersion) -> Answer {
    let FiltersQuery { filters: chosen } = query(text)?;
    chosen.only(&["all", "label", "label!"])?;
    let all = filters::flag(&chosen, "all")?.unwrap_or(version < SPARES_NAMED);
    let turn = daemon.prunes.of_volumes()?;
    let (volumes_deleted, space_reclaimed) = daemon
        .blocking(move |engine| {
            let _turn = turn;
            engine.prune_volumes(|v| (all || v.is_anonymous()) && matches(v, &chosen))
        })
        .await?;
    let pruned = VolumesPruned {
        volumes_deleted,
        space_reclaimed,
    };
    Ok(reply::json(StatusCode::OK, &pruned))
}
