//! `/containers/{id}/archive`, `export` and `changes`: files between clients
//! and containers, streamed both ways.
//!
//! Each archive has a thread of its own, which blocks as long as its client
//! does; a few hundred KiB wait between the two. A client that goes closes the
//! channel, which ends the thread and with it all that was mounted for it.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bulkhead_api::archive::{HEADER, TAR};
use bulkhead_api::query::{ArchivePutQuery, ArchiveQuery};
use bulkhead_engine::{Engine, EngineError, Upload};
use bulkhead_model::error::message;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;
type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Bytes in one piece.
const PIECE: usize = 128 * 1024;
/// Pieces that may wait.
pub(super) const WAITING: usize = 4;
/// Bytes that are read of a body after its archive was refused.
const UNWANTED: usize = 8 << 20;

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
    let (stat, mut response) = download(daemon, move |engine, begin| {
        engine.archive(&id, &path, begin)
    })
    .await?;
    describe(&mut response, &stat);
    Ok(response)
}

/// `GET /containers/{id}/export`
pub async fn export(daemon: &Arc<Daemon>, id: String) -> Answer {
    let started = download(daemon, move |engine, begin| {
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
    upload(daemon, request, move |engine, archive| {
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
    request: Request<Incoming>,
    read: impl FnOnce(&Engine, Incomings) -> Result<(), EngineError> + Send + 'static,
) -> Result<(), ApiError> {
    let (send, receive) = mpsc::channel(WAITING);
    let engine = daemon.engine.clone();
    let done = on_thread(move || read(&engine, Incomings::new(receive)))?;
    forward(request.into_body(), send).await;
    Ok(done.await.map_err(|_| ApiError::Panicked)??)
}

/// Hands a body on until it ends or nobody takes it any more. Clients read an
/// answer when they have sent what they have: some more is read for that.
pub(super) async fn forward(mut body: Incoming, pieces: Pieces) {
    let mut spare = UNWANTED;
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                let _ = pieces.send(Err(io::Error::other(error))).await;
                return;
            }
        };
        let length = piece.len();
        if length > 0 && pieces.send(Ok(piece)).await.is_err() {
            if length > spare {
                return;
            }
            spare -= length;
        }
    }
    // The end, which a request that was given up never has.
    let _ = pieces.send(Ok(Bytes::new())).await;
}

/// Starts writing an archive; its head is answered when `begin` was called.
pub(super) async fn download<T: Send + 'static>(
    daemon: &Arc<Daemon>,
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
            Outgoing::new(send)
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

/// The archive's writing side.
pub(super) struct Outgoing {
    pieces: Pieces,
    next: BytesMut,
}

impl Outgoing {
    fn new(pieces: Pieces) -> Self {
        Self {
            pieces,
            next: BytesMut::with_capacity(PIECE),
        }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.next.len());
        self.next.extend_from_slice(&bytes[..n]);
        if self.next.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.next.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.next, BytesMut::with_capacity(PIECE)).freeze();
        self.pieces
            .blocking_send(Ok(piece))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The body of a request as it comes in; an empty piece is its end.
pub(super) struct Incomings {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl Incomings {
    pub(super) fn new(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self {
            pieces,
            current: Bytes::new(),
            ended: false,
        }
    }
}

impl Read for Incomings {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !self.ended {
            let piece = self.pieces.blocking_recv();
            self.current = piece.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            self.ended = self.current.is_empty();
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
