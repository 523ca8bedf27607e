//! `/images/get`, `/images/{name}/get` and `/images/load`: images in archives,
//! streamed both ways.

use std::sync::Arc;

use bulkhead_api::progress::Progress as Line;
use bulkhead_api::query::{ImageLoadQuery, ImageSaveQuery};
use bulkhead_engine::LoadEvent;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::mpsc;

use super::archive::{download, on_thread};
use super::pieces::{Incomings, Patience, WAITING, forward};
use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `GET /images/get`, and `GET /images/{name}/get` with a name.
pub async fn save(daemon: &Arc<Daemon>, name: Option<String>, text: &str) -> Answer {
    let ImageSaveQuery { names, platform } = query(text)?;
    let names = name.map_or(names, |name| vec![name]);
    let platform = convert::images::platform(&platform)?;
    let started = download(daemon, Patience::endless(), move |engine, begin| {
        engine.save(&names, platform.as_ref(), || begin(()))
    });
    let ((), response) = started.await?;
    Ok(response)
}

/// `POST /images/load`: what happens as JSON lines; a failure is the last.
pub async fn load(daemon: &Arc<Daemon>, text: &str, request: Request<Incoming>) -> Answer {
    let ImageLoadQuery { quiet, platform } = query(text)?;
    let platform = convert::images::platform(&platform)?;
    let (send, receive) = mpsc::channel(WAITING);
    let (told, mut lines) = mpsc::unbounded_channel();
    let engine = daemon.engine.clone();
    let patience = Patience::endless();
    on_thread(move || {
        let say = |line: Line| {
            // A client that went does not stop what it has sent.
            let _ = told.send(Bytes::from(line.to_line()));
        };
        let tell = |event: LoadEvent| {
            convert::load::lines(&event, quiet)
                .into_iter()
                .for_each(say)
        };
        if let Err(error) = engine.load(Incomings::new(receive, patience), platform.as_ref(), &tell)
        {
            let error = ApiError::from(error);
            tracing::info!(error = error.message(), "load failed");
            say(Line::failure(error.message()));
        }
    })?;
    tokio::spawn(forward(request.into_body(), send));
    let lines = futures_util::stream::poll_fn(move |context| lines.poll_recv(context));
    Ok(reply::stream("application/json", lines))
}
