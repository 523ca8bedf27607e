//! `POST /system/check`.

use std::sync::Arc;

use bulkhead_api::check::{CheckFinding, SystemChecked};
use bulkhead_api::query::SystemCheckQuery;
use bulkhead_engine::{Checked, Finding};
use hyper::{Response, StatusCode};

use super::query;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Compares what is recorded with what is stored.
pub async fn check(daemon: &Arc<Daemon>, text: &str) -> Result<Response<Body>, ApiError> {
    let SystemCheckQuery { repair } = query(text)?;
    let checked = daemon
        .blocking(move |engine| engine.check_stored(repair))
        .await?;
    Ok(reply::json(StatusCode::OK, &wire(checked)))
}

fn wire(checked: Checked) -> SystemChecked {
    SystemChecked {
        images: checked.images,
        blobs: checked.blobs,
        bytes: checked.bytes,
        layers: checked.layers,
        containers: checked.containers,
        volumes: checked.volumes,
        findings: checked.findings.into_iter().map(finding).collect(),
    }
}

fn finding(finding: Finding) -> CheckFinding {
    CheckFinding {
        kind: finding.kind.to_owned(),
        name: finding.name,
        problem: finding.problem,
        repaired: finding.repaired.unwrap_or_default(),
    }
}
