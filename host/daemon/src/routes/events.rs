//! `GET /events`: a line of JSON for each event, sent as it happens.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_api::query::EventsQuery;
use bulkhead_api::{ApiVersion, Filters, time};
use bulkhead_engine::events::Event;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hyper::Response;
use hyper::header::HeaderMap;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// What was asked for.
struct Wanted {
    filters: Filters,
    version: ApiVersion,
    form: Form,
    until: Option<Instant>,
}

/// How lines are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    NdJson,
    JsonLines,
    /// RFC 7464: a record separator before each.
    JsonSeq,
}

/// Tells what happened since `since`, then what happens, until `until`.
pub fn events(
    daemon: &Arc<Daemon>,
    version: ApiVersion,
    text: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let asked: EventsQuery = query(text)?;
    let now = convert::now();
    let (since, until) = (moment(&asked.since, now)?, moment(&asked.until, now)?);
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        return Err(ApiError::SinceAfterUntil {
            since: asked.since,
            until: asked.until,
        });
    }
    let form = Form::of(headers, version);
    let wanted = Wanted {
        filters: asked.filters,
        version,
        form,
        until: until.map(|until| Instant::now() + Duration::from_nanos(until.saturating_sub(now))),
    };
    let (kept, live) = daemon.engine.events.follow();
    let replayed = |event: &Event| {
        (since.is_some() || until.is_some())
            && since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time <= until)
    };
    let past: Vec<Bytes> = kept
        .iter()
        .filter(|event| replayed(event))
        .filter_map(|event| wanted.line(event))
        .collect();
    let past = futures_util::stream::iter(past);
    let live = (until.is_none_or(|until| until > now)).then(|| follow(live, wanted));
    let live = futures_util::stream::iter(live).flatten();
    Ok(reply::stream(form.content_type(), past.chain(live)))
}

/// Nothing runs between events: when the client is gone, the stream is dropped.
fn follow(live: Receiver<Event>, wanted: Wanted) -> impl Stream<Item = Bytes> {
    futures_util::stream::unfold((live, wanted), |(mut live, wanted)| async move {
        let line = match wanted.until {
            None => next(&mut live, &wanted).await,
            Some(end) => tokio::time::timeout_at(end, next(&mut live, &wanted))
                .await
                .ok()
                .flatten(),
        };
        line.map(|line| (line, (live, wanted)))
    })
}

async fn next(live: &mut Receiver<Event>, wanted: &Wanted) -> Option<Bytes> {
    loop {
        match live.recv().await {
            Ok(event) => match wanted.line(&event) {
                Some(line) => return Some(line),
                None => continue,
            },
            // This client reads too slowly: it goes on with what is newer.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return None,
        }
    }
}

/// `0` is the epoch here, not a duration.
fn moment(text: &str, now: u64) -> Result<Option<u64>, ApiError> {
    match text {
        "" => Ok(None),
        "0" => Ok(Some(0)),
        text => Ok(Some(time::moment(text, now)?)),
    }
}

impl Wanted {
    fn line(&self, event: &Event) -> Option<Bytes> {
        if !convert::events::wanted(event, &self.filters) {
            return None;
        }
        let message = convert::events::message(event, self.version);
        let mut line = serde_json::to_vec(&message).ok()?;
        if self.form == Form::JsonSeq {
            line.insert(0, 0x1e);
        }
        line.push(b'\n');
        Some(line.into())
    }
}

impl Form {
    /// Clients of API 1.52 and newer may choose.
    fn of(headers: &HeaderMap, version: ApiVersion) -> Self {
        let accepted = headers.get(hyper::header::ACCEPT);
        let accepted = accepted.and_then(|v| v.to_str().ok()).unwrap_or_default();
        let choices = [Self::NdJson, Self::JsonLines, Self::JsonSeq];
        choices
            .into_iter()
            .find(|form| version >= form.since() && accepted.contains(form.content_type()))
            .unwrap_or(Self::Json)
    }

    fn since(self) -> ApiVersion {
        let minor = match self {
            Self::Json => 0,
            Self::NdJson | Self::JsonSeq => 52,
            Self::JsonLines => 53,
        };
        ApiVersion { major: 1, minor }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::JsonLines => "application/jsonl",
            Self::JsonSeq => "application/json-seq",
        }
    }
}
