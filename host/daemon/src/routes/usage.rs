//! `GET /system/df`.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_api::ApiVersion;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::image::ImageSummary;
use bulkhead_api::query::DiskUsageQuery;
use bulkhead_api::usage::{DiskUsage, ObjectsUsage};
use bulkhead_api::volume::{Volume, VolumeUsage};
use bulkhead_engine::{Engine, EngineError, ImageListed, Volume as EngineVolume};
use bulkhead_model::Digest;
use hyper::{Response, StatusCode};

use super::query;
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The fields that API 1.53 no longer has.
const LISTS: [&str; 5] = [
    "LayersSize",
    "Images",
    "Containers",
    "Volumes",
    "BuildCache",
];
const TYPES: [&str; 4] = ["container", "image", "volume", "build-cache"];

/// What is stored, by kind.
pub async fn usage(
    daemon: &Arc<Daemon>,
    version: ApiVersion,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let DiskUsageQuery { types, verbose } = query(text)?;
    if let Some(unknown) = types.iter().find(|t| !TYPES.contains(&t.as_str())) {
        return Err(ApiError::ObjectType(unknown.clone()));
    }
    let mut usage = daemon
        .blocking(move |engine| counted(engine, version, &types))
        .await?;
    let minor = version.minor;
    usage.builder_size = (minor < 42).then_some(0);
    if minor >= 52 {
        summarize(&mut usage, verbose);
    }
    let mut value = serde_json::to_value(&usage).unwrap_or_default();
    if let Some(object) = value.as_object_mut()
        && (minor >= 53 || (minor == 52 && verbose))
    {
        LISTS.iter().for_each(|key| drop(object.remove(*key)));
    }
    Ok(reply::json(StatusCode::OK, &value))
}

fn counted(
    engine: &Engine,
    version: ApiVersion,
    types: &[String],
) -> Result<DiskUsage, EngineError> {
    let asked = |kind: &str| types.is_empty() || types.iter().any(|t| t == kind);
    let mut usage = DiskUsage::default();
    if asked("image") {
        let (images, layers) = images(engine, version)?;
        usage.images = Some(images);
        usage.layers_size = layers;
    }
    if asked("container") {
        usage.containers = Some(super::list::all_with_sizes(engine)?);
    }
    if asked("volume") {
        usage.volumes = Some(volumes(engine)?);
    }
    if asked("build-cache") {
        usage.build_cache = Some(Vec::new());
    }
    Ok(usage)
}

/// Every image with the bytes it shares, and the bytes of all layers.
fn images(engine: &Engine, version: ApiVersion) -> Result<(Vec<ImageSummary>, i64), EngineError> {
    let images = engine.images()?;
    let layers = images
        .iter()
        .map(|listed| engine.layer_usage(&listed.record.image))
        .collect::<Result<Vec<_>, _>>()?;
    let mut users: HashMap<&Digest, (u64, u64)> = HashMap::new();
    for (chain, bytes) in layers.iter().flatten() {
        users.entry(chain).or_insert((0, *bytes)).0 += 1;
    }
    let shared = |chain: &Digest| users.get(chain).is_some_and(|(count, _)| *count > 1);
    // Those that others were made from count with them.
    let shown = |listed: &ImageListed| {
        let record = &listed.record;
        listed.children == 0 || !record.tags.is_empty() || !record.digests.is_empty()
    };
    let all_rows = images.iter().zip(&layers);
    let rows = all_rows
        .filter(|(listed, _)| shown(listed))
        .map(|(listed, layers)| {
            let common = layers.iter().filter(|(chain, _)| shared(chain));
            ImageSummary {
                shared_size: signed(common.map(|(_, bytes)| bytes).sum()),
                ..convert::images::summary(listed, version)
            }
        });
    let mut rows: Vec<ImageSummary> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.created));
    let all = users.values().map(|(_, bytes)| bytes).sum();
    Ok((rows, signed(all)))
}

/// The bytes that each image, by its id, shares with others.
pub fn shared_sizes(engine: &Engine) -> Result<HashMap<String, i64>, EngineError> {
    let (rows, _) = images(engine, bulkhead_api::version::MAX)?;
    let sizes = rows.into_iter().map(|row| (row.id, row.shared_size));
    Ok(sizes.collect())
}

fn volumes(engine: &Engine) -> Result<Vec<Volume>, EngineError> {
    let mut users: HashMap<String, i64> = HashMap::new();
    for entry in engine.containers.all() {
        let record = entry.record();
        for name in record.mounts.iter().filter_map(|m| m.volume.clone()) {
            *users.entry(name).or_default() += 1;
        }
    }
    let count = |volume: &EngineVolume| {
        let size = engine.volume_size(&volume.name).map_or(-1, signed);
        let ref_count = users.get(&volume.name).copied().unwrap_or(0);
        Volume {
            usage_data: Some(VolumeUsage { ref_count, size }),
            ..convert::volumes::volume(volume)
        }
    };
    Ok(engine.volumes()?.iter().map(count).collect())
}

/// The sums of API 1.52.
fn summarize(usage: &mut DiskUsage, verbose: bool) {
    let layers = usage.layers_size;
    let used = |image: &&ImageSummary| image.containers > 0;
    usage.image_usage = usage.images.clone().map(|images| {
        let held: i64 = images.iter().filter(used).map(|i| i.size).sum();
        ObjectsUsage {
            active_count: length(images.iter().filter(used).count()),
            total_count: length(images.len()),
            reclaimable: layers.saturating_sub(held).max(0),
            total_size: layers,
            items: verbose.then_some(images),
        }
    });
    let runs = |row: &&ContainerSummary| matches!(row.state.as_str(), "running" | "paused");
    let size = |row: &ContainerSummary| row.size_rw.unwrap_or(0);
    usage.container_usage = usage.containers.clone().map(|rows| ObjectsUsage {
        active_count: length(rows.iter().filter(runs).count()),
        total_count: length(rows.len()),
        reclaimable: rows.iter().filter(|row| !runs(row)).map(size).sum(),
        total_size: rows.iter().map(size).sum(),
        items: verbose.then_some(rows),
    });
    let data = |volume: &Volume| volume.usage_data.unwrap_or_default();
    let bytes = |volume: &Volume| data(volume).size.max(0);
    usage.volume_usage = usage.volumes.clone().map(|volumes| {
        let unused = volumes.iter().filter(|v| data(v).ref_count == 0);
        ObjectsUsage {
            active_count: length(volumes.len() - unused.clone().count()),
            total_count: length(volumes.len()),
            reclaimable: unused.map(bytes).sum(),
            total_size: volumes.iter().map(bytes).sum(),
            items: verbose.then_some(volumes),
        }
    });
    usage.build_cache_usage = usage.build_cache.as_ref().map(|_| ObjectsUsage {
        items: verbose.then(Vec::new),
        ..ObjectsUsage::default()
    });
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
