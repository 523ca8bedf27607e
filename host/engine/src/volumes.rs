//! Binds and volumes of a container that is being made.

use bulkhead_model::image::Image;

use crate::Engine;
use crate::container::{Container, Mount};
use crate::error::EngineError;
use crate::spec::{MountSource, MountSpec};

impl Engine {
    /// Resolves the requested mounts and gives each of the image's volume
    /// paths, unless something is mounted there, a volume of its own.
    pub(crate) fn make_volumes(
        &self,
        record: &mut Container,
        image: &Image,
    ) -> Result<(), EngineError> {
        let asked = record.spec.mounts.clone();
        let own = |target: &String| MountSpec {
            source: MountSource::Anonymous,
            target: target.clone(),
            read_only: false,
        };
        let missing = image.config.volumes.iter().filter(|v| {
            !asked
                .iter()
                .any(|m| m.target.trim_end_matches('/') == v.trim_end_matches('/'))
        });
        for mount in asked.iter().cloned().chain(missing.map(own)) {
            let made = self.make_mount(&mount, record)?;
            record.mounts.push(made);
        }
        Ok(())
    }

    fn make_mount(&self, mount: &MountSpec, record: &mut Container) -> Result<Mount, EngineError> {
        check_target(&mount.target)?;
        let (volume, source) = match &mount.source {
            MountSource::Host(path) => (None, checked_source(path)?),
            MountSource::Volume(name) => {
                check_volume_name(name)?;
                (Some(name.clone()), self.volume(name)?)
            }
            MountSource::Anonymous => {
                let name = crate::random_id().to_string();
                let source = self.volume(&name)?;
                record.anonymous_volumes.push(name.clone());
                (Some(name), source)
            }
        };
        let source = source.to_string_lossy().into_owned();
        Ok(Mount {
            volume,
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
        })
    }

    /// Where the volume's files are; it is made when missing.
    fn volume(&self, name: &str) -> Result<std::path::PathBuf, EngineError> {
        self.store.ensure_volume(name, "local", "{}")?;
        Ok(self.store.volume_path(name)?)
    }

    pub(crate) fn remove_anonymous_volumes(&self, record: &Container) {
        for name in &record.anonymous_volumes {
            if let Err(error) = self.store.remove_volume(name) {
                tracing::warn!(volume = %name, %error, "removing a container's own volume");
            }
        }
    }
}

fn check_target(target: &str) -> Result<(), EngineError> {
    let invalid = |why: &str| {
        Err(EngineError::Mount(format!(
            "invalid mount path: '{target}' {why}"
        )))
    };
    if !target.starts_with('/') {
        return invalid("mount path must be absolute");
    }
    if target.trim_matches('/').is_empty() {
        return invalid("destination can't be '/'");
    }
    if target.split('/').any(|c| c == "..") || target.contains('\0') {
        return invalid("must not contain '..'");
    }
    Ok(())
}

fn checked_source(path: &str) -> Result<std::path::PathBuf, EngineError> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(EngineError::Mount(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        )));
    }
    Ok(path.into())
}

/// Docker's rule for volume names.
fn check_volume_name(name: &str) -> Result<(), EngineError> {
    if crate::name::is_valid(name) {
        return Ok(());
    }
    Err(EngineError::Mount(format!(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_leave_or_replace_the_root_are_refused() {
        for bad in ["", "x", "/", "//", "/a/../..", "/a\0"] {
            assert!(check_target(bad).is_err(), "{bad:?}");
        }
        assert!(check_target("/data").is_ok());
    }
}
