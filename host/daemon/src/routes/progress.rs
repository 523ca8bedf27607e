//! Answers that tell how far they are: JSON lines of what a blocking operation
//! tells.

use std::sync::Arc;

use bulkhead_api::progress::Progress as Line;
use bulkhead_engine::Engine;
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::Response;
use tokio::sync::mpsc;

use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Where an operation tells its lines to.
pub type Tell<'a> = &'a (dyn Fn(Line) + Sync);

type Told = Result<Line, ApiError>;

/// Who is told.
pub struct Reader(mpsc::WeakUnboundedSender<Told>);

impl Reader {
    /// False when the client left.
    pub fn is_there(&self) -> bool {
        self.0.upgrade().is_some_and(|send| !send.is_closed())
    }
}

/// Runs an operation and answers with its lines. What fails before anything
/// was told has a status of its own; what fails later is the last line.
pub async fn answer<E: Into<ApiError>>(
    daemon: &Arc<Daemon>,
    operation: impl FnOnce(&Engine, Tell<'_>, Reader) -> Result<(), E> + Send + 'static,
) -> Result<Response<Body>, ApiError> {
    let (send, mut receive) = mpsc::unbounded_channel();
    let reader = Reader(send.downgrade());
    let engine = daemon.engine.clone();
    tokio::task::spawn_blocking(move || {
        let tell = |line| {
            // What it means that a client left is the operation's matter.
            let _ = send.send(Ok(line));
        };
        if let Err(error) = operation(&engine, &tell, reader) {
            let error: ApiError = error.into();
            tracing::info!(error = error.message(), "failed");
            let _ = send.send(Err(error));
        }
    });
    let Some(first) = receive.recv().await else {
        return Ok(reply::stream(
            "application/json",
            futures_util::stream::empty(),
        ));
    };
    let first = Bytes::from(first?.to_line());
    let line = |told: Told| {
        let line = told.unwrap_or_else(|error| Line::failure(error.message()));
        Bytes::from(line.to_line())
    };
    let rest = futures_util::stream::unfold(receive, move |mut receive| async move {
        Some((line(receive.recv().await?), receive))
    });
    let first = futures_util::stream::once(async move { first });
    Ok(reply::stream("application/json", first.chain(rest)))
}
