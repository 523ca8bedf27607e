//! `POST /images/create` with `fromSrc`: an image out of a filesystem's
//! archive, from the request's body or from a URL.

use std::io::Read;
use std::sync::Arc;

use bulkhead_api::progress::Progress as Line;
use bulkhead_api::query::ImageCreateQuery;
use bulkhead_engine::{Engine, ImportRequest};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::mpsc;

use super::archive::on_thread;
use super::pieces::{Incomings, Patience, WAITING, forward};
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Where from: the body.
const BODY: &str = "-";

/// Answers with the image's id in a line of progress.
pub async fn import(
    daemon: &Arc<Daemon>,
    asked: ImageCreateQuery,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let import = import_request(&asked)?;
    let engine = daemon.engine.clone();
    if asked.from_src == BODY {
        let (send, receive) = mpsc::channel(WAITING);
        let body = Incomings::new(receive, Patience::endless());
        let done = on_thread(move || carry_out(&engine, body, &import))?;
        forward(request.into_body(), send).await;
        let line = done.await.map_err(|_| ApiError::Panicked)??;
        let lines = futures_util::stream::iter([line]);
        return Ok(reply::stream("application/json", lines));
    }
    let fetcher = daemon.registries.clone();
    let url = asked.from_src;
    let (told, mut lines) = mpsc::unbounded_channel();
    on_thread(move || {
        // A client that went does not stop what was begun.
        let say = |line: Bytes| drop(told.send(line));
        say(line(&Line::status(format!("Downloading from {url}"))));
        let opened = fetcher.open(&url).map_err(ApiError::from);
        let imported = opened.and_then(|body| carry_out(&engine, body, &import));
        say(imported.unwrap_or_else(|error| line(&Line::failure(error.message()))));
    })?;
    let lines = futures_util::stream::poll_fn(move |context| lines.poll_recv(context));
    Ok(reply::stream("application/json", lines))
}

fn carry_out(
    engine: &Engine,
    archive: impl Read + Send,
    request: &ImportRequest,
) -> Result<Bytes, ApiError> {
    let image = engine.import(archive, request)?;
    Ok(line(&Line::status(image.id.to_string())))
}

fn line(line: &Line) -> Bytes {
    line.to_line().into()
}

fn import_request(asked: &ImageCreateQuery) -> Result<ImportRequest, ApiError> {
    let name = match asked.repo.as_str() {
        "" => None,
        repository => Some(convert::images::new_name(repository, &asked.tag)?),
    };
    let comment = match asked.message.as_str() {
        "" => format!("Imported from {}", asked.from_src),
        message => message.to_owned(),
    };
    let platform = match asked.platform.as_str() {
        "" => None,
        text => Some(text.parse()?),
    };
    Ok(ImportRequest {
        name,
        comment,
        changes: asked.changes.clone(),
        platform,
    })
}
