//! What an image takes over of a container's configuration.

use bulkhead_api::container::{ContainerConfig, EmptyObject};
use bulkhead_engine::container::Container;
use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::ImageConfig;

use super::bad_request::BadRequest;

/// A client's configuration as an image has it.
pub fn image_config(wire: ContainerConfig) -> Result<ImageConfig, BadRequest> {
    let keys = |set: std::collections::BTreeMap<String, EmptyObject>| set.into_keys().collect();
    let health = wire.healthcheck.as_ref().map(super::health::spec);
    Ok(ImageConfig {
        user: wire.user,
        exposed_ports: keys(wire.exposed_ports),
        env: wire.env,
        entrypoint: wire.entrypoint,
        cmd: wire.cmd,
        volumes: keys(wire.volumes),
        working_dir: wire.working_dir,
        labels: wire.labels,
        stop_signal: Some(wire.stop_signal).filter(|signal| !signal.is_empty()),
        health: health.transpose()?.map(|health| health.0),
        on_build: wire.on_build,
        shell: wire.shell,
    })
}

/// A container's own configuration, with what its image says.
pub fn own_config(
    record: &Container,
    image: Option<&ImageConfig>,
) -> Result<ImageConfig, BadRequest> {
    let mut own = image_config(super::inspect::config(record, image))?;
    if let Some(image) = image {
        own.stop_signal = own.stop_signal.or_else(|| image.stop_signal.clone());
        own.health = own
            .health
            .filter(|asked: &HealthOptions| !asked.test.is_empty())
            .or_else(|| image.health.clone());
    }
    Ok(own)
}
