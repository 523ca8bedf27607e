//! `GET /containers/json`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bulkhead_api::ApiVersion;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::query::ListQuery;
use bulkhead_engine::container::Container;
use bulkhead_engine::{Engine, EngineError};
use bulkhead_model::container::State;
use bulkhead_model::image::Image;
use hyper::{Response, StatusCode};

use super::query;
use crate::convert;
use crate::convert::list::{add_exposed, summary};
use crate::convert::select::{Facts, Selection};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The containers asked for, newest first.
pub async fn list(
    daemon: &Arc<Daemon>,
    version: ApiVersion,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let asked: ListQuery = query(text)?;
    let selection = Selection::new(asked.filters)?;
    let everything = asked.all || asked.limit.is_some() || selection.names_states();
    let limit = asked.limit.and_then(|n| usize::try_from(n).ok());
    let rows = daemon
        .blocking(move |engine| {
            let selection = look_up(engine, selection)?;
            let rows = rows(engine, &selection, everything, limit);
            rows.into_iter()
                .map(|(mut row, record)| {
                    row.health = (version.minor >= 52).then(|| convert::health::summary(&record));
                    match asked.size {
                        true => with_size(engine, row, &record),
                        false => Ok(row),
                    }
                })
                .collect::<Result<Vec<_>, EngineError>>()
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &rows))
}

/// Fills in what the filters name: containers and images.
fn look_up(engine: &Engine, mut selection: Selection) -> Result<Selection, EngineError> {
    let made = |filter| {
        let named = selection.values(filter).next();
        let found = named.map(|name| engine.containers.find(name));
        Ok::<_, EngineError>(found.transpose()?.map(|entry| entry.record().created_at))
    };
    let (before, since) = (made("before")?, made("since")?);
    let images = ancestors(engine, selection.values("ancestor"))?;
    (selection.before, selection.since, selection.images) = (before, since, images);
    Ok(selection)
}

/// Ids of the images named and of those whose layers begin with theirs.
/// A name that means no image adds nothing.
fn ancestors<'a>(
    engine: &Engine,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, EngineError> {
    let named: Vec<_> = names.filter_map(|name| engine.image(name).ok()).collect();
    if named.is_empty() {
        return Ok(HashSet::new());
    }
    let made_from = |image: &Image| {
        named.iter().any(|ancestor| {
            let (of, below) = (&image.layers, &ancestor.layers);
            let begins =
                of.len() > below.len() && below.iter().zip(of).all(|(a, b)| a.diff_id == b.diff_id);
            image.id == ancestor.id || (begins && !below.is_empty())
        })
    };
    let all = engine.images()?.into_iter().map(|i| i.record.image);
    Ok(all.filter(made_from).map(|i| i.id.to_string()).collect())
}

fn rows(
    engine: &Engine,
    selection: &Selection,
    everything: bool,
    limit: Option<usize>,
) -> Vec<(ContainerSummary, Arc<Container>)> {
    let now = convert::now();
    let mut images = ImageNames::new(engine);
    let all = engine.containers.all();
    let records = all.iter().rev().map(|entry| entry.record());
    records
        .filter(|record| everything || record.state.is_active())
        .filter_map(|record| {
            let row = row(&mut images, &record, now);
            let chosen = selection.takes(&row, &facts(&record));
            chosen.then_some((row, record))
        })
        .take(limit.unwrap_or(usize::MAX))
        .collect()
}

fn row(images: &mut ImageNames<'_>, record: &Container, now: u64) -> ContainerSummary {
    let mut row = summary(record, now);
    row.image = images.shown(record);
    if !record.endpoints.is_empty() {
        let declared = convert::inspect::declared_ports(record);
        add_exposed(&mut row, declared);
        add_exposed(&mut row, images.exposed(record));
    }
    row
}

fn facts(record: &Container) -> Facts<'_> {
    let exited = match &record.state {
        State::Exited {
            started_at, status, ..
        } if *started_at > 0 => Some(status.code),
        _ => None,
    };
    Facts {
        created_at: record.created_at,
        exited,
        health: record
            .health
            .as_ref()
            .map_or("none", |w| w.health.status.as_str()),
    }
}

/// Every container with its size.
pub fn all_with_sizes(engine: &Engine) -> Result<Vec<ContainerSummary>, EngineError> {
    let mut images = ImageNames::new(engine);
    let now = convert::now();
    let records = engine.containers.all();
    let sized = records.iter().rev().map(|entry| {
        let record = entry.record();
        let row = row(&mut images, &record, now);
        with_size(engine, row, &record)
    });
    sized.collect()
}

fn with_size(
    engine: &Engine,
    mut row: ContainerSummary,
    record: &Container,
) -> Result<ContainerSummary, EngineError> {
    let usage = engine.container_usage(record)?;
    row.size_rw = Some(bytes(usage.writable)).filter(|n| *n > 0);
    row.size_root_fs = Some(bytes(usage.root)).filter(|n| *n > 0);
    Ok(row)
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Images by the names and ids of containers, each looked up once.
struct ImageNames<'a> {
    engine: &'a Engine,
    known: HashMap<String, Option<Image>>,
}

impl<'a> ImageNames<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            known: HashMap::new(),
        }
    }

    fn of(&mut self, text: &str) -> Option<&Image> {
        let engine = self.engine;
        let found = self.known.entry(text.to_owned());
        found.or_insert_with(|| engine.image(text).ok()).as_ref()
    }

    /// The name a container was made with, or the image's id when the name
    /// means another by now.
    fn shown(&mut self, record: &Container) -> String {
        let name = &record.spec.image;
        match self.of(name) {
            Some(image) if image.id.as_str() == record.image_id => name.clone(),
            _ => record.image_id.clone(),
        }
    }

    /// The ports that a container's image declares.
    fn exposed(&mut self, record: &Container) -> Vec<String> {
        let image = self.of(&record.image_id);
        image.map_or_else(Vec::new, |image| image.config.exposed_ports.clone())
    }
}
