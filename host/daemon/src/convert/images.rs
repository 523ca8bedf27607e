//! `GET /images/json`, `GET /images/{name}/json` and the answer of a removal.

use bulkhead_api::container::{ContainerConfig, EmptyObject, GraphDriver};
use bulkhead_api::image::{
    DistributionPlatform, ImageDeleted as WireDeleted, ImageInspect, ImageMetadata, ImageSummary,
    RootFs,
};
use bulkhead_api::{ApiVersion, Filters};
use bulkhead_engine::{ImageDeleted, ImageListed};
use bulkhead_model::image::ImageConfig;
use bulkhead_model::{Platform, Reference};
use bulkhead_store::ImageRecord;

use crate::status::ApiError;

/// One row of the list.
pub fn summary(listed: &ImageListed, version: ApiVersion) -> ImageSummary {
    let ImageRecord {
        image,
        tags,
        digests,
        ..
    } = &listed.record;
    let size = i64::try_from(image.size).unwrap_or(i64::MAX);
    ImageSummary {
        id: image.id.to_string(),
        repo_tags: tags.iter().map(|r| r.familiar()).collect(),
        repo_digests: digests.iter().map(|r| r.familiar()).collect(),
        created: created_seconds(image.created.as_deref()),
        size,
        virtual_size: virtual_size(size, version),
        shared_size: -1,
        labels: image.config.labels.clone(),
        containers: i64::try_from(listed.containers).unwrap_or(-1),
        ..ImageSummary::default()
    }
}

fn created_seconds(text: Option<&str>) -> i64 {
    i64::try_from(created_nanos(text) / 1_000_000_000).unwrap_or(0)
}

/// When an image was made, nanoseconds since the epoch; 0 when it does not say.
pub fn created_nanos(text: Option<&str>) -> u64 {
    text.and_then(|t| bulkhead_api::time::moment(t, 0).ok())
        .unwrap_or(0)
}

/// Clients before API 1.44 are told the size twice.
fn virtual_size(size: i64, version: ApiVersion) -> Option<i64> {
    (version.minor < 44).then_some(size)
}

/// The whole answer about one image.
pub fn inspect(record: &ImageRecord, driver: &str, version: ApiVersion) -> ImageInspect {
    let image = &record.image;
    let size = i64::try_from(image.size).unwrap_or(i64::MAX);
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: record.tags.iter().map(|r| r.familiar()).collect(),
        repo_digests: record.digests.iter().map(|r| r.familiar()).collect(),
        created: image.created.clone().unwrap_or_default(),
        config: config(&image.config),
        container_config: Some(config(&image.config)),
        architecture: image.platform.architecture.clone(),
        variant: image.platform.variant.clone().unwrap_or_default(),
        os: image.platform.os.clone(),
        size,
        virtual_size: virtual_size(size, version),
        graph_driver: GraphDriver {
            name: driver.to_owned(),
            ..GraphDriver::default()
        },
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: image.layers.iter().map(|l| l.diff_id.to_string()).collect(),
        },
        metadata: ImageMetadata {
            last_tag_time: super::rfc3339(record.stored_at.saturating_mul(1_000_000_000)),
        },
        ..ImageInspect::default()
    }
}

fn config(image: &ImageConfig) -> ContainerConfig {
    let set = |keys: &[String]| keys.iter().map(|k| (k.clone(), EmptyObject {})).collect();
    ContainerConfig {
        user: image.user.clone(),
        exposed_ports: set(&image.exposed_ports),
        env: image.env.clone(),
        cmd: image.cmd.clone(),
        volumes: set(&image.volumes),
        working_dir: image.working_dir.clone(),
        entrypoint: image.entrypoint.clone(),
        labels: image.labels.clone(),
        stop_signal: image.stop_signal.clone().unwrap_or_default(),
        ..ContainerConfig::default()
    }
}

/// The name that a client gives an image: a repository, and a tag beside it or
/// in it. A digest is no name that anyone can give.
pub fn new_name(repository: &str, tag: &str) -> Result<Reference, ApiError> {
    let name: Reference = match tag {
        "" => repository.parse()?,
        tag => format!("{repository}:{tag}").parse()?,
    };
    match name.digest {
        None => Ok(name),
        Some(_) => Err(ApiError::DigestAsName),
    }
}

/// The one platform of several that a client wants, in JSON; empty for none.
pub fn platform(json: &str) -> Result<Option<Platform>, ApiError> {
    if json.is_empty() {
        return Ok(None);
    }
    let wanted: DistributionPlatform = bulkhead_api::json::decode(json.as_bytes())?;
    let mut text = format!("{}/{}", wanted.os, wanted.architecture);
    if !wanted.variant.is_empty() {
        text = format!("{text}/{}", wanted.variant);
    }
    Ok(Some(text.parse()?))
}

/// One step of a removal.
pub fn deleted(step: ImageDeleted) -> WireDeleted {
    match step {
        ImageDeleted::Untagged(name) => WireDeleted {
            untagged: Some(name),
            ..WireDeleted::default()
        },
        ImageDeleted::Deleted(digest) => WireDeleted {
            deleted: Some(digest.to_string()),
            ..WireDeleted::default()
        },
    }
}

/// Whether a list's filters let an image through.
pub fn matches(record: &ImageRecord, filters: &Filters) -> bool {
    let dangling = record.tags.is_empty();
    let named = |pattern: &str| {
        record.tags.iter().any(|r| {
            r.familiar() == pattern
                || r.familiar_name() == pattern
                || glob(pattern, &r.familiar())
                || glob(pattern, &r.familiar_name())
        })
    };
    filters.matches("dangling", |v| matches!(v, "true" | "1") == dangling)
        && filters.matches("reference", named)
        && filters.values("label").all(|v| match v.split_once('=') {
            Some((key, value)) => record
                .image
                .config
                .labels
                .get(key)
                .is_some_and(|l| l == value),
            None => record.image.config.labels.contains_key(v),
        })
}

/// `*` stands for anything but a slash, as in Go's `path.Match`.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            let within = ends.take_while(|at| !rest[..*at].contains('/'));
            within.into_iter().any(|at| glob(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash() {
        assert!(glob("busy*", "busybox") && glob("*:latest", "x:latest") && glob("a/*", "a/b"));
        assert!(!glob("busy*", "busy/box") && !glob("x", "xy"));
    }

    #[test]
    fn creation_times_of_images_are_read() {
        assert_eq!(created_seconds(Some("1970-01-01T00:01:00Z")), 60);
        assert_eq!(created_seconds(Some("1970-01-01T00:01:00.123456789Z")), 60);
        assert_eq!(created_seconds(None), 0);
    }
}
