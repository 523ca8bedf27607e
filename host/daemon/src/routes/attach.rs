//! `POST /containers/{id}/attach`: the connection itself becomes the stream.

use std::sync::Arc;

use bulkhead_api::query::AttachQuery;
use bulkhead_api::system::{MULTIPLEXED_STREAM, RAW_STREAM};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::query;
use crate::daemon::Daemon;
use crate::hub::Wants;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Takes the connection over. The client is registered before the answer
/// leaves, so that nothing written after it is lost.
pub async fn attach(
    daemon: &Arc<Daemon>,
    id: &str,
    text: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: AttachQuery = query(text)?;
    let record = daemon.engine.containers.find(id)?.record();
    let terminal = record.spec.tty;
    let upgrade = request.headers().contains_key(UPGRADE);
    let hub = daemon.hubs.of(&record.id);
    let wants = Wants {
        stdin: asked.stdin && record.spec.open_stdin,
        stdout: asked.stdout,
        stderr: asked.stderr,
        terminal,
        close_stdin: record.spec.stdin_once && !terminal,
    };
    let client = hub.join(wants, record.state.is_running()).await;
    if !upgrade {
        return Ok(reply::stream(RAW_STREAM, client.into_stream()));
    }
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        match upgraded
            .await
            .map(Upgraded::downcast::<TokioIo<UnixStream>>)
        {
            Ok(Ok(parts)) => client.serve(parts.io.into_inner(), parts.read_buf).await,
            Ok(Err(_)) => tracing::warn!("attach: a connection that is no unix socket"),
            Err(error) => tracing::debug!(%error, "attach: the connection was not taken over"),
        }
    });
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(if terminal {
            RAW_STREAM
        } else {
            MULTIPLEXED_STREAM
        }),
    );
    Ok(response)
}
