//! Binds and volumes of a container that is being made.

mod backup;
pub(crate) mod mounts;
pub(crate) mod objects;

use bulkhead_model::image::Image;

use crate::Engine;
use crate::container::{Container, Mount};
use crate::error::EngineError;
use crate::spec::{MountOptions, MountSource, MountSpec};

impl Engine {
    /// Resolves the requested mounts, takes over those of other containers
    /// and gives each of the image's volume paths, unless something is
    /// mounted there, a volume of its own.
    pub(crate) fn make_volumes(
        &self,
        record: &mut Container,
        image: &Image,
    ) -> Result<(), EngineError> {
        let asked = record.spec.mounts.clone();
        let mut taken: Vec<String> = Vec::new();
        let tmpfs = record.spec.tmpfs.iter().map(|t| t.target.as_str());
        for target in asked.iter().map(|m| m.target.as_str()).chain(tmpfs) {
            check_target(target)?;
            let clean = clean(target);
            if taken.contains(&clean) {
                return Err(EngineError::DuplicateMount(target.to_owned()));
            }
            taken.push(clean);
        }
        for mount in self.volumes_from(&record.spec.volumes_from)? {
            if !taken.contains(&clean(&mount.target)) {
                taken.push(clean(&mount.target));
                record.mounts.push(mount);
            }
        }
        let own = |target: &String| MountSpec {
            source: MountSource::Anonymous,
            target: target.clone(),
            read_only: false,
            options: MountOptions::default(),
        };
        let missing = image.config.volumes.iter();
        let missing = missing.filter(|v| !taken.contains(&clean(v))).map(own);
        for mount in asked.iter().cloned().chain(missing) {
            let made = self.make_mount(&mount, record)?;
            record.mounts.push(made);
        }
        Ok(())
    }

    /// The mounts of others; a later container's come over an earlier one's.
    fn volumes_from(&self, asked: &[String]) -> Result<Vec<Mount>, EngineError> {
        let mut found: Vec<Mount> = Vec::new();
        for text in asked {
            let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
            if name.is_empty() || !matches!(mode, "ro" | "rw" | "z" | "Z") {
                return Err(EngineError::VolumesFrom(text.clone()));
            }
            let other = self.other(name)?;
            for mount in &other.mounts {
                let mut mount = mount.clone();
                mount.read_only |= mode == "ro";
                mount.options.no_copy = true;
                found.retain(|earlier| clean(&earlier.target) != clean(&mount.target));
                found.push(mount);
            }
        }
        Ok(found)
    }

    fn make_mount(&self, mount: &MountSpec, record: &mut Container) -> Result<Mount, EngineError> {
        check_target(&mount.target)?;
        let mut options = mount.options.clone();
        let (volume, source) = match &mount.source {
            MountSource::Host(path) => {
                let source = checked_source(path)?;
                if !mount.options.create_source && !source.exists() {
                    return Err(EngineError::BindSourceMissing(path.clone()));
                }
                (None, source)
            }
            MountSource::Volume(name) => {
                check_volume_name(name)?;
                let volume = self.ensure_volume(&objects::VolumeSpec {
                    name: name.clone(),
                    driver: mount.options.volume_driver.clone(),
                    options: mount.options.volume_options.clone(),
                    labels: (!mount.options.labels.is_empty())
                        .then(|| mount.options.labels.clone()),
                })?;
                options.volume_driver = volume.driver;
                // Docker shows local ones with names so.
                if options.mode.is_empty() && options.volume_driver == objects::LOCAL {
                    options.mode = "z".to_owned();
                }
                (Some(name.clone()), volume.mountpoint)
            }
            MountSource::Anonymous => {
                let name = crate::random_id().to_string();
                self.store.unsettle_volume(&name, record.id.as_str())?;
                // From here on an error takes it away again.
                record.anonymous_volumes.push(name.clone());
                let mut labels = mount.options.labels.clone();
                labels.insert(objects::ANONYMOUS.to_owned(), String::new());
                let volume = self.ensure_volume(&objects::VolumeSpec {
                    name: name.clone(),
                    driver: mount.options.volume_driver.clone(),
                    options: mount.options.volume_options.clone(),
                    labels: Some(labels),
                })?;
                options.volume_driver = volume.driver;
                (Some(name), volume.mountpoint)
            }
        };
        let source = source.to_string_lossy().into_owned();
        Ok(Mount {
            volume,
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
            options,
        })
    }

    pub(crate) fn remove_anonymous_volumes(&self, record: &Container) {
        for name in &record.anonymous_volumes {
            // Another container may have taken it up by its name, and a user
            // may have removed it.
            match self.remove_unshared(name, record) {
                Ok(()) | Err(EngineError::NoSuchVolume(_)) => {}
                Err(error) => {
                    tracing::warn!(volume = %name, %error, "removing a container's own volume");
                }
            }
        }
    }
}

impl Engine {
    fn remove_unshared(&self, name: &str, owner: &Container) -> Result<(), EngineError> {
        let lock = self.volume_lock.write();
        let _alone = lock.unwrap_or_else(std::sync::PoisonError::into_inner);
        let users = self.volume_users(name);
        if users.iter().any(|user| user != owner.id.as_str()) {
            return Ok(());
        }
        self.delete_volume(name)
    }
}

/// A target without needless slashes and dots: two that mean the same are alike.
fn clean(target: &str) -> String {
    let names = target.split('/').filter(|n| !n.is_empty() && *n != ".");
    names.fold(String::new(), |path, name| path + "/" + name)
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
    match name.len() {
        _ if crate::name::is_valid(name) => Ok(()),
        1 => Err(EngineError::ShortVolumeName(name.to_owned())),
        _ => Err(EngineError::VolumeName(name.to_owned())),
    }
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
