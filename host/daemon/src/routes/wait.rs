//! `POST /containers/{id}/wait`: the head at once, the code when it is over.

use std::sync::Arc;

use bulkhead_api::container::{WaitError, WaitResponse};
use bulkhead_api::query::{Condition, WaitQuery};
use bulkhead_engine::container::Phase;
use bytes::Bytes;
use hyper::Response;
use tokio::sync::watch;

use super::query;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Answers with the exit code once the condition holds.
pub fn wait(daemon: &Arc<Daemon>, id: &str, text: &str) -> Result<Response<Body>, ApiError> {
    let WaitQuery { condition } = query(text)?;
    let phase = daemon.engine.containers.find(id)?.watch();
    // The head leaves now: clients start the container only when they know
    // that somebody waits.
    let code = futures_util::stream::once(async move {
        let (code, error) = until(condition, phase).await;
        let body = serde_json::to_vec(&WaitResponse {
            status_code: i64::from(code),
            error: error.map(|message| WaitError {
                message: message.as_ref().to_owned(),
            }),
        })
        .unwrap_or_default();
        Bytes::from([body, b"\n".to_vec()].concat())
    });
    Ok(reply::stream("application/json", code))
}

/// The exit code, and what Docker tells with it: why a container that does
/// not run was not started, or why one was not removed.
async fn until(condition: Condition, mut phase: watch::Receiver<Phase>) -> (i32, Option<Arc<str>>) {
    let exits = phase.borrow().exits;
    let holds = |p: &Phase| match condition {
        // A restart by the policy ends this wait, too.
        Condition::NotRunning => !p.active || p.exits > exits || p.removed,
        Condition::NextExit => p.exits > exits || p.removed,
        Condition::Removed => p.removed || p.dead,
    };
    // The sender goes only with the container.
    let _ = phase.wait_for(holds).await;
    let last = phase.borrow();
    let told = match condition {
        Condition::NotRunning => true,
        Condition::NextExit => false,
        Condition::Removed => last.dead,
    };
    (last.code, last.error.clone().filter(|_| told))
}
