//! `GET /images/json`, `GET /images/{name}/json` and the answer of a removal.

use bulkhead_api::ApiVersion;
use bulkhead_api::container::{ContainerConfig, EmptyObject, GraphDriver};
use bulkhead_api::image::{
    DistributionPlatform, HistoryItem, ImageDeleted as WireDeleted, ImageInspect, ImageMetadata,
    ImageSummary, RootFs,
};
use bulkhead_engine::{HistoryStep, ImageDeleted, ImageListed};
use bulkhead_model::image::{Configuration, ImageConfig};
use bulkhead_model::{Platform, Reference};
use bulkhead_store::ImageRecord;

use crate::status::ApiError;

/// Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One row of the list.
pub fn summary(listed: &ImageListed, version: ApiVersion) -> ImageSummary {
    let ImageRecord {
        image,
        tags,
        digests,
        ..
    } = &listed.record;
    let size = i64::try_from(image.size).unwrap_or(i64::MAX);
    let names = |names: &[Reference]| names.iter().map(|name| name.familiar()).collect();
    // Clients before API 1.43 are told of names that are none.
    let nameless = version.minor < 43 && tags.is_empty() && digests.is_empty();
    ImageSummary {
        id: image.id.to_string(),
        repo_tags: if nameless {
            vec!["<none>:<none>".to_owned()]
        } else {
            names(tags)
        },
        repo_digests: if nameless {
            vec!["<none>@<none>".to_owned()]
        } else {
            names(digests)
        },
        created: created_seconds(image.created.as_deref()),
        size,
        virtual_size: virtual_size(size, version),
        parent_id: listed
            .record
            .parent
            .as_ref()
            .map_or(String::new(), ToString::to_string),
        shared_size: -1,
        labels: image.config.labels.clone(),
        containers: i64::try_from(listed.containers).unwrap_or(-1),
    }
}

/// One step of an image's history.
pub fn history(step: &HistoryStep) -> HistoryItem {
    let id = step.image.as_ref().map(ToString::to_string);
    HistoryItem {
        id: id.unwrap_or_else(|| "<missing>".to_owned()),
        created: created_seconds(step.history.created.as_deref()),
        created_by: step.history.created_by.clone(),
        tags: step.tags.iter().map(|tag| tag.familiar()).collect(),
        size: i64::try_from(step.size).unwrap_or(i64::MAX),
        comment: step.history.comment.clone(),
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
pub fn inspect(
    record: &ImageRecord,
    configuration: &Configuration,
    driver: &str,
    version: ApiVersion,
) -> ImageInspect {
    let image = &record.image;
    let size = i64::try_from(image.size).unwrap_or(i64::MAX);
    let named = |name: &Reference| name.familiar();
    let last = configuration.history.last();
    let comment = match configuration.comment.as_str() {
        "" => last.map_or("", |step| step.comment.as_str()),
        comment => comment,
    };
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: record.tags.iter().map(named).collect(),
        repo_digests: record.digests.iter().map(named).collect(),
        parent: record
            .parent
            .as_ref()
            .map_or(String::new(), ToString::to_string),
        comment: comment.to_owned(),
        created: image.created.clone().unwrap_or_default(),
        docker_version: configuration.docker_version.clone(),
        author: configuration.author.clone(),
        config: config(&configuration.config),
        // Of Docker's API up to 1.44; docker-compose 1 wants it from all.
        container_config: Some(config(&configuration.config)),
        architecture: image.platform.architecture.clone(),
        variant: image.platform.variant.clone().unwrap_or_default(),
        os: image.platform.os.clone(),
        os_version: configuration.os_version.clone(),
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
            last_tag_time: match record.tagged_at {
                0 => NEVER.to_owned(),
                at => super::rfc3339(at.saturating_mul(1_000_000_000)),
            },
        },
    }
}

/// A configuration as clients see it.
pub fn config(image: &ImageConfig) -> ContainerConfig {
    let set = |keys: &[String]| keys.iter().map(|k| (k.clone(), EmptyObject {})).collect();
    ContainerConfig {
        user: image.user.clone(),
        exposed_ports: set(&image.exposed_ports),
        env: image.env.clone(),
        cmd: image.cmd.clone(),
        healthcheck: image.health.as_ref().map(super::health::config),
        volumes: set(&image.volumes),
        working_dir: image.working_dir.clone(),
        entrypoint: image.entrypoint.clone(),
        on_build: image.on_build.clone(),
        labels: image.labels.clone(),
        stop_signal: image.stop_signal.clone().unwrap_or_default(),
        shell: image.shell.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creation_times_of_images_are_read() {
        assert_eq!(created_seconds(Some("1970-01-01T00:01:00Z")), 60);
        assert_eq!(created_seconds(Some("1970-01-01T00:01:00.123456789Z")), 60);
        assert_eq!(created_seconds(None), 0);
    }
}
