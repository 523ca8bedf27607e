//! `POST /containers/{id}/attach`, `GET /containers/{id}/attach/ws`: the connection itself becomes the stream.

use std::sync::Arc;

use bulkhead_api::query::AttachQuery;
use bulkhead_engine::attach::Slot;
use bulkhead_engine::container::Container;
use bulkhead_engine::{LogQuery, detach_keys};
use bulkhead_model::process::Attachment;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::mpsc;

use super::logs::{self, Form};
use super::query;
use crate::daemon::Daemon;
use crate::hijack::{self, Taken, Taking};
use crate::reply::Body;
use crate::status::ApiError;
use crate::websocket;

/// Takes the connection over. The client has its place before the answer
/// leaves, so that nothing written after it is lost.
pub async fn attach(
    daemon: &Arc<Daemon>,
    id: &str,
    text: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: AttachQuery = query(text)?;
    let record = daemon.engine.containers.find(id)?.record();
    let raw = record.spec.tty;
    take_over(daemon, &record, asked, raw, || {
        hijack::take(request, raw).map_err(ApiError::Connection)
    })
    .await
}

/// The same on a websocket, whose messages need no frames in them.
pub async fn attach_websocket(
    daemon: &Arc<Daemon>,
    id: &str,
    text: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: AttachQuery = query(text)?;
    let record = daemon.engine.containers.find(id)?.record();
    take_over(daemon, &record, asked, true, || {
        let (response, upgrade) = websocket::take(request)?;
        Ok((response, Taking::Websocket(upgrade)))
    })
    .await
}

async fn take_over(
    daemon: &Arc<Daemon>,
    record: &Arc<Container>,
    asked: AttachQuery,
    raw: bool,
    take: impl FnOnce() -> Result<(Response<Body>, Taking), ApiError>,
) -> Result<Response<Body>, ApiError> {
    let keys = keys(record, &asked)?;
    let mut past = past(daemon, record, &asked, raw).await?;
    let slot = daemon.engine.waiting.reserve(&record.id);
    let (response, taking) = take()?;
    let (daemon, record) = (daemon.clone(), record.clone());
    tokio::spawn(async move {
        let Some(mut taken) = taking.taken().await else {
            return;
        };
        while let Some(piece) = next(&mut past).await {
            if taken.write(&piece).await.is_err() {
                return;
            }
        }
        if !asked.stream {
            return;
        }
        if let Err(error) = hand_over(&daemon, slot, &record, &asked, keys, !raw, taken).await {
            tracing::debug!(container = %record.id, error = error.message(), "attaching a client");
        }
    });
    Ok(response)
}

async fn hand_over(
    daemon: &Arc<Daemon>,
    slot: Slot,
    record: &Container,
    asked: &AttachQuery,
    detach_keys: Vec<u8>,
    framed: bool,
    taken: Taken,
) -> Result<(), ApiError> {
    let terminal = record.spec.tty;
    let (stream, early) = taken.into_socket().map_err(ApiError::Connection)?;
    let attachment = Attachment {
        stream,
        early,
        stdin: asked.stdin && record.spec.open_stdin,
        stdout: asked.stdout,
        stderr: asked.stderr,
        framed,
        close_stdin: record.spec.stdin_once && !terminal,
        detach_keys,
    };
    daemon.engine.waiting.prune(hijack::has_hung_up);
    daemon
        .blocking(move |engine| engine.attach(slot, attachment))
        .await
}

async fn next(past: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match past {
        Some(pieces) => pieces.recv().await,
        None => None,
    }
}

/// Only a terminal has keys; what was asked for is checked anyway.
fn keys(record: &Container, asked: &AttachQuery) -> Result<Vec<u8>, ApiError> {
    let keys = detach_keys::parse(&asked.detach_keys)
        .ok_or_else(|| ApiError::DetachKeys(asked.detach_keys.clone()))?;
    Ok(if record.spec.tty { keys } else { Vec::new() })
}

/// The log so far, framed as the stream is.
async fn past(
    daemon: &Arc<Daemon>,
    record: &Container,
    asked: &AttachQuery,
    raw: bool,
) -> Result<Option<mpsc::Receiver<Bytes>>, ApiError> {
    if !asked.logs {
        return Ok(None);
    }
    let query = LogQuery {
        stdout: asked.stdout,
        stderr: asked.stderr,
        ..LogQuery::default()
    };
    let form = Form {
        terminal: raw,
        timestamps: false,
        details: false,
    };
    logs::so_far(daemon, record.id.to_string(), query, form)
        .await
        .map(Some)
}
