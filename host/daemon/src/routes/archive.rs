//! `/containers/{id}/archive`, `export` and `changes`: files between clients
//! and containers, streamed both ways.
//!
//! Each archive has a thread of its own, which blocks as long as its client
//! does; a few hundred KiB wait between the two. A client that goes closes the
//! channel, which ends the thread and with it all that was mounted for it. One
//! that stalls while others wait for the container's files is given up.

use std::io;
use std::sync::Arc;

use bulkhead_api::archive::{HEADER, TAR};
use bulkhead_api::query::{ArchivePutQuery, ArchiveQuery};
use bulkhead_engine::{Engine, EngineError, Upload};
use bulkhead_model::error::message;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::pieces::{Incomings, Outgoing, Patience, Pieces, WAITING, forward};
use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `HEAD /containers/{id}/archive`
pub async fn stat(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let ArchiveQuery { path } = query(text)?;
    let stat = daemon
        .blocking(move |engine| engine.path_stat(&id, &path))
        .await?;
    let mut response = reply::empty(StatusCode::OK);
    describe(&mut response, &stat);
    Ok(response)
}

/// `GET /containers/{id}/archive`
pub async fn get(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let ArchiveQuery { path } = query(text)?;
    let patience = Patience::until_others_wait(daemon, &id)?;
    let started = download(daemon, patience, move |engine, begin| {
        engine.archive(&id, &path, begin)
    });
    let (stat, mut response) = started.await?;
    describe(&mut response, &stat);
    Ok(response)
}

/// `GET /containers/{id}/export`
pub async fn export(daemon: &Arc<Daemon>, id: String) -> Answer {
    let patience = Patience::until_others_wait(daemon, &id)?;
    let started = download(daemon, patience, move |engine, begin| {
        engine.export(&id, || begin(()))
    });
    let ((), mut response) = started.await?;
    let octets = HeaderValue::from_static("application/octet-stream");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, octets);
    Ok(response)
}

/// `GET /containers/{id}/changes`
pub async fn changes(daemon: &Arc<Daemon>, id: String) -> Answer {
    let changes = daemon.blocking(move |engine| engine.changes(&id)).await?;
    let rows: Vec<_> = changes.iter().map(convert::archive::change).collect();
    // Go's nil.
    let rows = Some(rows).filter(|rows| !rows.is_empty());
    Ok(reply::json(StatusCode::OK, &rows))
}

/// `PUT /containers/{id}/archive`
pub async fn put(
    daemon: &Arc<Daemon>,
    id: String,
    text: &str,
    request: Request<Incoming>,
) -> Answer {
    let ArchivePutQuery {
        path,
        no_overwrite_dir_non_dir,
        copy_uid_gid,
    } = query(text)?;
    let patience = Patience::until_others_wait(daemon, &id)?;
    upload(daemon, patience, request, move |engine, archive| {
        let upload = Upload {
            path: &path,
            no_overwrite_dir_non_dir,
            to_container_user: copy_uid_gid,
        };
        engine.extract_into(&id, &upload, archive)
    })
    .await?;
    Ok(reply::empty(StatusCode::OK))
}

/// Reads a request's body as an archive.
pub(super) async fn upload(
    daemon: &Arc<Daemon>,
    patience: Patience,
    request: Request<Incoming>,
    read: impl FnOnce(&Engine, Incomings) -> Result<(), EngineError> + Send + 'static,
) -> Result<(), ApiError> {
    let (send, receive) = mpsc::channel(WAITING);
    let engine = daemon.engine.clone();
    let done = on_thread(move || read(&engine, Incomings::new(receive, patience)))?;
    forward(request.into_body(), send).await;
    Ok(done.await.map_err(|_| ApiError::Panicked)??)
}

/// Starts writing an archive; its head is answered when `begin` was called.
pub(super) async fn download<T: Send + 'static>(
    daemon: &Arc<Daemon>,
    patience: Patience,
    write: impl FnOnce(&Engine, &mut (dyn FnMut(T) -> Outgoing + Send)) -> Result<(), EngineError>
    + Send
    + 'static,
) -> Result<(T, Response<Body>), ApiError> {
    let engine = daemon.engine.clone();
    let (told, head) = oneshot::channel();
    let done = on_thread(move || {
        let mut told = Some(told);
        let mut pieces: Option<Pieces> = None;
        let mut begin = |fact: T| {
            let (send, receive) = mpsc::channel(WAITING);
            pieces = Some(send.clone());
            if let Some(told) = told.take() {
                // A client that went is noticed at the first piece.
                let _ = told.send((fact, receive));
            }
            Outgoing::new(send, patience.clone())
        };
        let written = write(&engine, &mut begin);
        match (written, pieces) {
            (Err(error), Some(pieces)) => {
                tracing::debug!(error = message(&error), "an archive broke off");
                let _ = pieces.blocking_send(Err(io::Error::other("the archive broke off")));
                Ok(())
            }
            (written, _) => written,
        }
    })?;
    match head.await {
        Ok((fact, receive)) => {
            let pieces = futures_util::stream::unfold(receive, |mut receive| async move {
                receive.recv().await.map(|piece| (piece, receive))
            });
            Ok((fact, reply::fallible_stream(TAR, pieces)))
        }
        Err(_) => {
            done.await.map_err(|_| ApiError::Panicked)??;
            Err(ApiError::Panicked)
        }
    }
}

fn describe(response: &mut Response<Body>, stat: &bulkhead_store::root::PathStat) {
    let headers = response.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(TAR));
    let value = convert::archive::path_stat(stat).to_header();
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(HEADER.as_bytes()),
        HeaderValue::from_str(&value),
    ) {
        headers.insert(name, value);
    }
}

/// Runs an operation on a thread of its own, because it may last as long as a
/// client likes and the pool's threads are counted.
pub(super) fn on_thread<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, ApiError> {
    let (send, receive) = oneshot::channel();
    let started = std::thread::Builder::new()
        .name("archive".to_owned())
        .spawn(move || {
            // The request may have been given up.
            let _ = send.send(operation());
        });
    started.map_err(ApiError::Thread)?;
    Ok(receive)
}
