//! `GET /containers/{id}/trace`.

use std::sync::Arc;

use bulkhead_api::query::TraceQuery;
use bulkhead_api::trace::{TraceShown, TraceStep};
use bulkhead_engine::networks::trace::{Outcome, Step};
use hyper::{Response, StatusCode};

use super::query;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Why a packet would or would not arrive.
pub async fn trace(
    daemon: &Arc<Daemon>,
    id: String,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let TraceQuery { target } = query(text)?;
    let trace = daemon.blocking(move |engine| engine.trace(&id, &target));
    let steps = trace.await?.0.into_iter().map(step).collect();
    Ok(reply::json(StatusCode::OK, &TraceShown { steps }))
}

fn step(step: Step) -> TraceStep {
    let outcome = match step.outcome {
        Outcome::Passes => "passes",
        Outcome::Stops => "stops",
        Outcome::Unknown => "unknown",
    };
    TraceStep {
        at: step.at.to_owned(),
        outcome: outcome.to_owned(),
        detail: step.detail,
    }
}
