//! `GET /containers/json`.

use std::collections::HashSet;
use std::sync::Arc;

use bulkhead_api::container::ContainerSummary;
use bulkhead_api::query::ListQuery;
use bulkhead_engine::container::Container;
use bulkhead_engine::{Engine, EngineError};
use bulkhead_model::container::State;
use hyper::{Response, StatusCode};

use super::query;
use crate::convert::select::{Facts, Selection};
use crate::convert::{self, list::summary};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The containers asked for, newest first.
pub async fn list(daemon: &Arc<Daemon>, text: &str) -> Result<Response<Body>, ApiError> {
    let asked: ListQuery = query(text)?;
    let selection = Selection::new(asked.filters)?;
    let everything = asked.all || asked.limit.is_some() || selection.names_states();
    let limit = asked.limit.and_then(|n| usize::try_from(n).ok());
    let rows = daemon
        .blocking(move |engine| {
            let selection = look_up(engine, selection)?;
            let rows = rows(engine, &selection, everything, limit);
            rows.into_iter()
                .map(|(row, record)| match asked.size {
                    true => with_size(engine, row, &record),
                    false => Ok(row),
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
    let made_from = |image: &bulkhead_model::image::Image| {
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
            let mut row = summary(&record, now);
            row.image = images.shown(&record);
            let chosen = selection.takes(&row, &facts(&record));
            chosen.then_some((row, record))
        })
        .take(limit.unwrap_or(usize::MAX))
        .collect()
}

fn facts(record: &Container) -> Facts<'static> {
    let exited = match &record.state {
        State::Exited {
            started_at, status, ..
        } if *started_at > 0 => Some(status.code),
        _ => None,
    };
    Facts {
        created_at: record.created_at,
        exited,
        health: "none",
    }
}

/// Every container with its size.
pub fn all_with_sizes(engine: &Engine) -> Result<Vec<ContainerSummary>, EngineError> {
    let mut images = ImageNames::new(engine);
    let now = convert::now();
    let records = engine.containers.all();
    let sized = records.iter().rev().map(|entry| {
        let record = entry.record();
        let mut row = summary(&record, now);
        row.image = images.shown(&record);
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

/// What the names that containers were made with mean today.
struct ImageNames<'a> {
    engine: &'a Engine,
    known: std::collections::HashMap<String, Option<String>>,
}

impl<'a> ImageNames<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            known: Default::default(),
        }
    }

    /// The name, or the image's id when the name means another by now.
    fn shown(&mut self, record: &Container) -> String {
        let name = &record.spec.image;
        let engine = self.engine;
        let means = self
            .known
            .entry(name.clone())
            .or_insert_with(|| engine.image(name).ok().map(|image| image.id.to_string()));
        match means {
            Some(id) if *id == record.image_id => name.clone(),
            _ => record.image_id.clone(),
        }
    }
}
