//! Volumes between the wire and the engine.

use bulkhead_api::volume::{Volume as WireVolume, VolumeCreateRequest};
use bulkhead_engine::{Volume, VolumeSpec};

/// A `volume create`.
pub fn spec(asked: VolumeCreateRequest) -> VolumeSpec {
    VolumeSpec {
        name: asked.name,
        driver: asked.driver,
        options: asked.driver_opts,
        labels: asked.labels,
    }
}

/// A volume as lists and `inspect` have it.
pub fn volume(volume: &Volume) -> WireVolume {
    let created = std::time::Duration::from_secs(volume.created_at);
    WireVolume {
        // Whole seconds, as Docker writes it.
        created_at: humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + created).to_string(),
        driver: volume.driver.clone(),
        labels: volume.labels.clone(),
        mountpoint: volume.mountpoint.to_string_lossy().into_owned(),
        name: volume.name.clone(),
        options: (!volume.options.is_empty()).then(|| volume.options.clone()),
        scope: "local".to_owned(),
        ..WireVolume::default()
    }
}
