//! `/images`: list, pull, inspect, remove.

mod origin;

use std::sync::Arc;

use bulkhead_api::ApiVersion;
use bulkhead_api::query::{ImageCreateQuery, ImageListQuery, ImageRemoveQuery, ImageTagQuery};
use bulkhead_engine::{ImageListed, PullRequest, Waiting};
use bulkhead_model::Reference;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{credentials, progress, query};
use crate::convert;
use crate::convert::image_filters::Chosen;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `GET /images/json`
pub async fn list(daemon: &Arc<Daemon>, version: ApiVersion, text: &str) -> Answer {
    let ImageListQuery {
        all,
        shared_size,
        manifests,
        filters,
    } = query(text)?;
    let chosen = Chosen::new(&daemon.engine, filters, all)?;
    let (images, shared) = daemon
        .blocking(move |engine| {
            let shared = shared_size.then(|| super::usage::shared_sizes(engine));
            Ok((engine.images()?, shared.transpose()?))
        })
        .await?;
    let row = |listed: ImageListed| {
        let mut row = convert::images::summary(&listed, version);
        if let Some(shared) = &shared {
            row.shared_size = shared.get(row.id.as_str()).copied().unwrap_or(0);
        }
        // Docker counts them for those who ask for everything.
        if !manifests {
            row.containers = -1;
        }
        row
    };
    let shown = images.into_iter().filter_map(|i| chosen.choose(i));
    let mut rows: Vec<_> = shown.map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.created));
    Ok(reply::json(StatusCode::OK, &rows))
}

/// `GET /images/{name}/json`
pub async fn inspect(daemon: &Arc<Daemon>, version: ApiVersion, name: String) -> Answer {
    let driver = daemon.engine.config.storage_driver.clone();
    let whole = daemon
        .blocking(move |engine| {
            let record = engine.image_record(&name)?;
            let configuration = engine.image_configuration(&record.image)?;
            let mut whole = convert::images::inspect(&record, &configuration, &driver, version);
            // Its layers may be laid out when a container needs them.
            if let Ok(data) = engine.image_graph(&record.image, &driver) {
                whole.graph_driver.data = data;
            }
            Ok(whole)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &whole))
}

/// `DELETE /images/{name}`
pub async fn remove(daemon: &Arc<Daemon>, name: String, text: &str) -> Answer {
    let ImageRemoveQuery { force, no_prune } = query(text)?;
    let deleted = daemon
        .blocking(move |engine| engine.remove_image(&name, force, !no_prune))
        .await?;
    let rows: Vec<_> = deleted.into_iter().map(convert::images::deleted).collect();
    Ok(reply::json(StatusCode::OK, &rows))
}

/// `GET /images/{name}/history`
pub async fn history(daemon: &Arc<Daemon>, name: String) -> Answer {
    let steps = daemon
        .blocking(move |engine| engine.image_history(&name))
        .await?;
    let rows: Vec<_> = steps.iter().map(convert::images::history).collect();
    Ok(reply::json(StatusCode::OK, &rows))
}

/// `POST /images/{name}/tag`
pub async fn tag(daemon: &Arc<Daemon>, name: String, text: &str) -> Answer {
    let ImageTagQuery { repo, tag } = query(text)?;
    let wanted = convert::images::new_name(&repo, &tag)?;
    daemon
        .blocking(move |engine| engine.tag_image(&name, &wanted))
        .await?;
    Ok(reply::empty(StatusCode::CREATED))
}

/// `POST /images/create`
pub async fn create(daemon: &Arc<Daemon>, text: &str, request: Request<Incoming>) -> Answer {
    let asked: ImageCreateQuery = query(text)?;
    if asked.from_src.is_empty() {
        pull(daemon, &asked, &request).await
    } else {
        super::import::import(daemon, asked, request).await
    }
}

/// Progress as JSON lines; a failure after the head has left is the last line.
async fn pull(
    daemon: &Arc<Daemon>,
    asked: &ImageCreateQuery,
    request: &Request<Incoming>,
) -> Answer {
    let mut pull = pull_request(asked, request)?;
    let all_tags = means_all_tags(asked);
    progress::answer(daemon, move |engine, tell, reader| {
        pull.waiting = Waiting::new(move || reader.is_there());
        let lines = std::sync::Mutex::new(convert::pull::Lines::default());
        let tell = |event| {
            let told = lines.lock().expect("pull lines").of(event);
            told.into_iter().for_each(tell);
        };
        let pulled = match all_tags {
            true => engine.pull_all_tags(&pull, &tell),
            false => engine.pull(&pull, &tell).map(drop),
        };
        pulled.map_err(ApiError::Pull)
    })
    .await
}

/// A name without tag and digest means every tag of the repository.
fn means_all_tags(asked: &ImageCreateQuery) -> bool {
    let name = asked.from_image.as_str();
    let last = name.rsplit('/').next().unwrap_or_default();
    asked.tag.is_empty() && !origin::is_local(name) && !last.contains([':', '@'])
}

fn pull_request(
    asked: &ImageCreateQuery,
    request: &Request<Incoming>,
) -> Result<PullRequest, ApiError> {
    let (origin, name) = origin::of(&asked.from_image, &asked.tag);
    Ok(PullRequest {
        reference: name.parse::<Reference>()?,
        platform: if asked.platform.is_empty() {
            None
        } else {
            Some(asked.platform.parse()?)
        },
        credentials: credentials::of(request)?,
        storage_driver: None,
        origin,
        waiting: Waiting::default(),
    })
}
