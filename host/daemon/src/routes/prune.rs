//! `POST /containers/prune` and `POST /images/prune`.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_api::Filters;
use bulkhead_api::query::FiltersQuery;
use bulkhead_api::usage::{ContainersPruned, ImagesPruned};
use bulkhead_engine::container::Container;
use bulkhead_engine::events::Subject;
use bulkhead_engine::{Engine, EngineError, ImageDeleted};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::{ContainerId, Digest};
use hyper::{Response, StatusCode};

use super::query;
use crate::convert;
use crate::convert::filters::{flag, has_labels, until};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// Removes every container that does not run and that the filters choose.
pub async fn containers(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let FiltersQuery { filters } = query(text)?;
    filters.only(&["until", "label", "label!"])?;
    let made_before = until(&filters)?.unwrap_or(u64::MAX);
    let _turn = daemon.prunes.of_objects()?;
    let chosen = |record: &Container| {
        !record.state.is_running()
            && record.created_at < made_before
            && has_labels(&record.spec.labels, &filters)
    };
    let all = daemon.engine.containers.all();
    let records = all.iter().map(|entry| entry.record());
    let candidates: Vec<_> = records
        .filter(|record| chosen(record))
        .map(|record| record.id.clone())
        .collect();
    let mut pruned = ContainersPruned::default();
    for id in candidates {
        if let Some(bytes) = remove(daemon, &id).await? {
            pruned.space_reclaimed += bytes;
            pruned.containers_deleted.push(id.to_string());
        }
    }
    tell(daemon, Subject::Container, pruned.space_reclaimed);
    Ok(reply::json(StatusCode::OK, &pruned))
}

/// The bytes a container held, `None` when it stays: started or removed by
/// someone else since it was looked at.
async fn remove(daemon: &Arc<Daemon>, id: &ContainerId) -> Result<Option<u64>, ApiError> {
    let Ok(entry) = daemon.engine.containers.find(id.as_str()) else {
        return Ok(None);
    };
    let record = entry.record();
    let held = daemon
        .blocking(move |engine| engine.container_usage(&record))
        .await;
    let target = id.to_string();
    match daemon.engine.remove(&target, false, false).await {
        Ok(()) => Ok(Some(held.map_or(0, |usage| usage.writable))),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes images that no container uses: those without a name, or, with
/// `dangling=false`, all.
pub async fn images(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let FiltersQuery { filters } = query(text)?;
    filters.only(&["dangling", "until", "label", "label!"])?;
    let nameless_only = flag(&filters, "dangling")?.unwrap_or(true);
    let made_before = until(&filters)?.unwrap_or(u64::MAX);
    let turn = daemon.prunes.of_objects()?;
    let pruned = daemon
        .blocking(move |engine| {
            let _turn = turn;
            prune_images(engine, &filters, nameless_only, made_before)
        })
        .await?;
    tell(daemon, Subject::Image, pruned.space_reclaimed);
    Ok(reply::json(StatusCode::OK, &pruned))
}

fn prune_images(
    engine: &Engine,
    filters: &Filters,
    nameless_only: bool,
    made_before: u64,
) -> Result<ImagesPruned, EngineError> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    for listed in engine.images()? {
        sizes.extend(engine.layer_usage(&listed.record.image)?);
    }
    let deleted = engine.prune_images(|record| {
        let made = convert::images::created_nanos(record.image.created.as_deref());
        (!nameless_only || record.tags.is_empty())
            && made < made_before
            && has_labels(&record.image.config.labels, filters)
    })?;
    let freed = deleted.iter().filter_map(|step| match step {
        ImageDeleted::Deleted(digest) => sizes.get(digest),
        ImageDeleted::Untagged(_) => None,
    });
    Ok(ImagesPruned {
        space_reclaimed: freed.sum(),
        images_deleted: deleted.into_iter().map(convert::images::deleted).collect(),
    })
}

fn tell(daemon: &Daemon, subject: Subject, reclaimed: u64) {
    let reclaimed = reclaimed.to_string();
    let attributes = [("reclaimed", reclaimed.as_str())];
    daemon
        .engine
        .events
        .publish(subject, "prune", "", attributes);
}
