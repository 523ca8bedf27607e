//! `GET /containers/{id}/stats` and `GET /containers/{id}/top`.

use std::sync::Arc;

use bulkhead_api::ErrorBody;
use bulkhead_api::container::TopResponse;
use bulkhead_api::query::{StatsQuery, TopQuery};
use bulkhead_model::ContainerId;
use bytes::Bytes;
use futures_util::Stream;
use hyper::{Response, StatusCode};
use tokio::sync::watch;

use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::samplers::{self, Sample};
use crate::status::ApiError;

/// What a container uses: once, or once a second.
pub async fn stats(daemon: &Arc<Daemon>, id: &str, text: &str) -> Result<Response<Body>, ApiError> {
    let StatsQuery { stream, one_shot } = query(text)?;
    if stream && one_shot {
        let refused = ErrorBody::new("cannot have stream=true and one-shot=true");
        return Ok(reply::json(StatusCode::BAD_REQUEST, &refused));
    }
    let record = daemon.engine.containers.find(id)?.record();
    let id = record.id.clone();
    if stream {
        let watched = samplers::watch(daemon, &id);
        let all = follow(daemon.clone(), id, watched);
        return Ok(reply::stream("application/json", all));
    }
    let first = samplers::sample(daemon, &id).await;
    let json = |sample: &Sample, before| {
        let stats = convert::stats::stats(&record.name, id.as_str(), sample, before);
        reply::json(StatusCode::OK, &stats)
    };
    if one_shot || first.taken.is_none() {
        return Ok(json(&first, None));
    }
    // The share of processors is told by two moments.
    let mut watched = samplers::watch(daemon, &id);
    let second = match next(&mut watched).await {
        Some(sample) if !is_later(&sample, &first) => next(&mut watched).await,
        other => other,
    };
    let second = second.unwrap_or_else(|| Arc::new(Sample { taken: None }));
    Ok(json(&second, Some(&first)))
}

/// Whether so much time lies between that shares mean something.
fn is_later(sample: &Sample, first: &Sample) -> bool {
    let (Some((now, _)), Some((before, _))) = (&sample.taken, &first.taken) else {
        return true;
    };
    let between = now.duration_since(*before).unwrap_or_default();
    between >= std::time::Duration::from_millis(500)
}

async fn next(watched: &mut watch::Receiver<Option<Arc<Sample>>>) -> Option<Arc<Sample>> {
    loop {
        watched.changed().await.ok()?;
        if let Some(sample) = &*watched.borrow_and_update() {
            return Some(sample.clone());
        }
    }
}

fn follow(
    daemon: Arc<Daemon>,
    id: ContainerId,
    watched: watch::Receiver<Option<Arc<Sample>>>,
) -> impl Stream<Item = Bytes> + Send {
    let start = (daemon, id, watched, None::<Arc<Sample>>);
    futures_util::stream::unfold(start, |(daemon, id, mut watched, before)| async move {
        let sample = next(&mut watched).await?;
        // It may have been renamed.
        let name = daemon
            .engine
            .containers
            .find(id.as_str())
            .ok()?
            .record()
            .name
            .clone();
        let stats = convert::stats::stats(&name, id.as_str(), &sample, before.as_deref());
        let mut line = serde_json::to_vec(&stats).ok()?;
        line.push(b'\n');
        Some((Bytes::from(line), (daemon, id, watched, Some(sample))))
    })
}

/// A container's processes.
pub async fn top(daemon: &Arc<Daemon>, id: String, text: &str) -> Result<Response<Body>, ApiError> {
    let TopQuery { ps_args } = query(text)?;
    let table = daemon
        .blocking(move |engine| engine.top(&id, &ps_args))
        .await?;
    let answer = TopResponse {
        processes: table.rows,
        titles: table.titles,
    };
    Ok(reply::json(StatusCode::OK, &answer))
}
