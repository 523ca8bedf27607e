//! `POST /containers/{id}/attach`: the connection itself becomes the stream.

use std::sync::Arc;

use bulkhead_api::query::AttachQuery;
use bulkhead_engine::attach::Slot;
use bulkhead_engine::container::Container;
use bulkhead_engine::{LogQuery, LogState, detach_keys};
use bulkhead_model::process::Attachment;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::logs::{Form, frames};
use super::query;
use crate::daemon::Daemon;
use crate::hijack::{self, Taken};
use crate::reply::Body;
use crate::status::ApiError;

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
    let keys = keys(&record, &asked)?;
    let past = past(daemon, &record, &asked).await?;
    let slot = daemon.engine.waiting.reserve(&record.id);
    let (response, taking) =
        hijack::take(request, record.spec.tty).map_err(ApiError::Connection)?;
    let daemon = daemon.clone();
    tokio::spawn(async move {
        let Some(mut taken) = taking.taken().await else {
            return;
        };
        if taken.write(&past).await.is_err() || !asked.stream {
            return;
        }
        if let Err(error) = hand_over(&daemon, slot, &record, &asked, keys, taken).await {
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
        framed: !terminal,
        close_stdin: record.spec.stdin_once && !terminal,
        detach_keys,
    };
    daemon.engine.waiting.prune(hijack::has_hung_up);
    daemon
        .blocking(move |engine| engine.attach(slot, attachment))
        .await
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
) -> Result<Vec<u8>, ApiError> {
    if !asked.logs {
        return Ok(Vec::new());
    }
    let query = LogQuery {
        stdout: asked.stdout,
        stderr: asked.stderr,
        ..LogQuery::default()
    };
    let form = Form {
        terminal: record.spec.tty,
        timestamps: false,
        details: false,
    };
    let id = record.id.to_string();
    daemon
        .blocking(move |engine| {
            let mut reader = engine.logs(&id, query)?;
            let (mut out, mut batch) = (Vec::new(), Vec::new());
            while matches!(reader.read(&mut batch), Ok(LogState::More)) {
                out.extend(frames(&std::mem::take(&mut batch), form));
            }
            out.extend(frames(&batch, form));
            Ok(out)
        })
        .await
}
