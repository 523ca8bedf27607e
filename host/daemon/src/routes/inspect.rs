//! `GET /containers/{id}/json`.

use std::sync::Arc;

use bulkhead_api::ApiVersion;
use bulkhead_api::container::ContainerInspect;
use bulkhead_api::query::InspectQuery;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The default bridge's endpoint once more, for clients from before there
/// were named networks; gone in API 1.52.
const OLD_NETWORK: [&str; 14] = [
    "Bridge",
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "HairpinMode",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "LinkLocalIPv6Address",
    "LinkLocalIPv6PrefixLen",
    "MacAddress",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
];

/// Everything about one container.
pub async fn inspect(
    daemon: &Arc<Daemon>,
    version: ApiVersion,
    id: &str,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let InspectQuery { size } = query(text)?;
    let record = daemon.engine.containers.find(id)?.record();
    let mut answer = daemon
        .blocking(move |engine| {
            let folder = engine.store.container_path(&record.id);
            // Gone when it was removed by force.
            let image = engine.image(&record.image_id).ok();
            let config = image.as_ref().map(|image| &image.config);
            let mut answer = convert::inspect::inspect(&record, config, &folder);
            let execs = engine.execs.running(&record.id);
            match engine.container_graph(&record) {
                Ok(data) => answer.graph_driver.data.extend(data),
                Err(error) => tracing::debug!(%error, "describing a container's files"),
            }
            answer.exec_ids = execs.iter().map(ToString::to_string).collect();
            if size {
                let usage = engine.container_usage(&record)?;
                answer.size_rw = i64::try_from(usage.writable).ok();
                answer.size_root_fs = i64::try_from(usage.root).ok();
            }
            Ok(answer)
        })
        .await?;
    if version.minor < 45 {
        add_short_id(&mut answer);
    }
    if (42..52).contains(&version.minor) {
        return Ok(reply::json(StatusCode::OK, &answer));
    }
    let mut answer = serde_json::to_value(&answer).unwrap_or_default();
    if version.minor < 42 {
        answer["HostConfig"]["KernelMemory"] = 0.into();
        answer["HostConfig"]["KernelMemoryTCP"] = 0.into();
    } else {
        without_old_fields(&mut answer);
    }
    Ok(reply::json(StatusCode::OK, &answer))
}

/// Clients before API 1.45 see the short id among the aliases in networks that
/// users made; later ones look at `DNSNames`.
fn add_short_id(answer: &mut ContainerInspect) {
    let short: String = answer.id.chars().take(12).collect();
    for (name, endpoint) in &mut answer.network_settings.networks {
        if !matches!(name.as_str(), "bridge" | "host" | "none") {
            endpoint.aliases.push(short.clone());
        }
    }
}

fn without_old_fields(answer: &mut Value) {
    if let Some(settings) = answer["NetworkSettings"].as_object_mut() {
        settings.retain(|key, _| !OLD_NETWORK.contains(&key.as_str()));
    }
    if let Some(config) = answer["Config"].as_object_mut() {
        config.retain(|key, value| key != "OnBuild" || !value.is_null());
    }
}
