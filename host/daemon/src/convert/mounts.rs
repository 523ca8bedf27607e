//! Binds, volumes and filesystems in memory, in the short form (`-v`,
//! `--tmpfs`) and the long one (`--mount`), with Docker's rules and texts.

use bulkhead_api::container::{ContainerConfig, HostConfig, Mount};
use bulkhead_engine::spec::{MountOptions, MountSource, MountSpec, TmpfsSpec};

use super::bad_request::BadRequest;

/// Propagations of the kernel, by Docker's names.
const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "slave", "rslave", "shared", "rshared",
];

/// Everything but what the image asks for.
pub fn mounts(config: &ContainerConfig, host: &HostConfig) -> Result<Vec<MountSpec>, BadRequest> {
    let mut mounts = Vec::new();
    for bind in &host.binds {
        mounts.push(bind_spec(bind)?);
    }
    for mount in host.mounts.iter().filter(|m| m.kind != "tmpfs") {
        mounts.push(mount_spec(mount).map_err(|why| invalid(mount, why))?);
    }
    for text in config.volumes.keys() {
        // Some clients put whole binds here.
        let spec = bind_spec(text)?;
        if !mounts.iter().any(|m| m.target == spec.target) {
            mounts.push(spec);
        }
    }
    for mount in &mut mounts {
        let of_volume = !matches!(mount.source, MountSource::Host(_));
        if of_volume && mount.options.volume_driver.is_empty() {
            mount.options.volume_driver.clone_from(&host.volume_driver);
        }
    }
    Ok(mounts)
}

/// `--tmpfs` and long mounts of that type.
pub fn tmpfs(host: &HostConfig) -> Result<Vec<TmpfsSpec>, BadRequest> {
    let short = host.tmpfs.iter().map(|(target, options)| {
        Ok(TmpfsSpec {
            target: target.clone(),
            options: options.split(',').map(str::to_owned).collect(),
        })
    });
    let long = host.mounts.iter().filter(|m| m.kind == "tmpfs");
    short
        .chain(long.map(|m| tmpfs_spec(m).map_err(|why| invalid(m, why))))
        .collect()
}

fn invalid(mount: &Mount, why: String) -> BadRequest {
    BadRequest::Mount {
        kind: mount.kind.clone(),
        why,
    }
}

/// `source:target[:options]` or `target`.
fn bind_spec(bind: &str) -> Result<MountSpec, BadRequest> {
    let bad = || BadRequest::Bind(bind.to_owned());
    let parts: Vec<&str> = bind.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => (MountSource::Anonymous, *target, ""),
        // An anonymous volume with options: the second word is no path.
        [target, mode] if !mode.starts_with('/') && target.starts_with('/') && is_mode(mode) => {
            (MountSource::Anonymous, *target, *mode)
        }
        [source, target] => (mount_source(source), *target, ""),
        [source, target, mode] => (mount_source(source), *target, *mode),
        _ => return Err(bad()),
    };
    if target.is_empty() || matches!(&source, MountSource::Volume(n) if n.is_empty()) {
        return Err(bad());
    }
    let mut spec = MountSpec {
        options: MountOptions {
            mode: mode.to_owned(),
            create_source: matches!(source, MountSource::Host(_)),
            ..MountOptions::default()
        },
        source,
        target: target.to_owned(),
        read_only: false,
    };
    read_mode(&mut spec, mode).ok_or_else(|| BadRequest::BindMode(mode.to_owned()))?;
    Ok(spec)
}

fn is_mode(text: &str) -> bool {
    let known = |word: &str| {
        matches!(word, "ro" | "rw" | "z" | "Z" | "nocopy") || PROPAGATIONS.contains(&word)
    };
    text.split(',').all(known)
}

/// Each kind of word at most once, as in Docker.
fn read_mode(spec: &mut MountSpec, mode: &str) -> Option<()> {
    let is_bind = matches!(spec.source, MountSource::Host(_));
    let (mut access, mut label, mut copy) = (0, 0, 0);
    for word in mode.split(',').filter(|_| !mode.is_empty()) {
        match word {
            "ro" | "rw" => {
                spec.read_only = word == "ro";
                access += 1;
            }
            // They relabel for SELinux; without it nothing happens, as in Docker.
            "z" | "Z" => label += 1,
            "nocopy" if !is_bind => {
                spec.options.no_copy = true;
                copy += 1;
            }
            word if PROPAGATIONS.contains(&word) && is_bind => {
                if !spec.options.propagation.is_empty() {
                    return None;
                }
                spec.options.propagation = word.to_owned();
            }
            _ => return None,
        }
    }
    (access <= 1 && label <= 1 && copy <= 1).then_some(())
}

fn mount_source(text: &str) -> MountSource {
    if text.starts_with('/') {
        MountSource::Host(text.to_owned())
    } else {
        MountSource::Volume(text.to_owned())
    }
}

fn mount_spec(mount: &Mount) -> Result<MountSpec, String> {
    if mount.target.is_empty() {
        return Err("field Target must not be empty".to_owned());
    }
    let (source, options) = match mount.kind.as_str() {
        "bind" => long_bind(mount)?,
        "volume" => long_volume(mount)?,
        _ => return Err("mount type unknown".to_owned()),
    };
    Ok(MountSpec {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
        options,
    })
}

fn long_bind(mount: &Mount) -> Result<(MountSource, MountOptions), String> {
    extra("VolumeOptions", mount.volume_options.is_some())?;
    extra("TmpfsOptions", mount.tmpfs_options.is_some())?;
    if mount.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    if !mount.source.starts_with('/') {
        let path = &mount.source;
        return Err(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        ));
    }
    let bind = mount.bind_options.clone().unwrap_or_default();
    if !bind.propagation.is_empty() && !PROPAGATIONS.contains(&bind.propagation.as_str()) {
        return Err(format!("invalid propagation mode: {}", bind.propagation));
    }
    if bind.read_only_non_recursive && bind.read_only_force_recursive {
        return Err(
            "ReadOnlyNonRecursive and ReadOnlyForceRecursive are mutually exclusive".to_owned(),
        );
    }
    if !mount.read_only && (bind.read_only_non_recursive || bind.read_only_force_recursive) {
        return Err(
            "mount must be set ReadOnly mode when using ReadOnlyNonRecursive or ReadOnlyForceRecursive"
                .to_owned(),
        );
    }
    let options = MountOptions {
        propagation: bind.propagation,
        non_recursive: bind.non_recursive,
        shallow_read_only: bind.read_only_non_recursive,
        create_source: bind.create_mountpoint,
        ..MountOptions::default()
    };
    Ok((MountSource::Host(mount.source.clone()), options))
}

fn long_volume(mount: &Mount) -> Result<(MountSource, MountOptions), String> {
    extra("BindOptions", mount.bind_options.is_some())?;
    extra("TmpfsOptions", mount.tmpfs_options.is_some())?;
    if mount.source.is_empty() && mount.read_only {
        return Err("must not set ReadOnly mode when using anonymous volumes".to_owned());
    }
    let volume = mount.volume_options.clone().unwrap_or_default();
    let driver = volume.driver_config.unwrap_or_default();
    if volume.subpath.starts_with('/') || volume.subpath.split('/').any(|part| part == "..") {
        return Err(format!(
            "invalid VolumeOptions.Subpath: {:?} must be a relative path within the volume",
            volume.subpath
        ));
    }
    let options = MountOptions {
        no_copy: volume.no_copy,
        subpath: volume.subpath,
        labels: volume.labels,
        volume_driver: driver.name,
        volume_options: driver.options,
        ..MountOptions::default()
    };
    let source = match mount.source.as_str() {
        "" => MountSource::Anonymous,
        name => MountSource::Volume(name.to_owned()),
    };
    Ok((source, options))
}

fn tmpfs_spec(mount: &Mount) -> Result<TmpfsSpec, String> {
    extra("BindOptions", mount.bind_options.is_some())?;
    extra("VolumeOptions", mount.volume_options.is_some())?;
    if !mount.source.is_empty() {
        return Err("field Source must not be specified".to_owned());
    }
    if mount.target.is_empty() {
        return Err("field Target must not be empty".to_owned());
    }
    let asked = mount.tmpfs_options.clone().unwrap_or_default();
    let mut options = Vec::new();
    match asked.size_bytes {
        0 => {}
        size if size < 0 => return Err(format!("invalid tmpfs size: {size}")),
        size => options.push(format!("size={size}")),
    }
    if asked.mode != 0 {
        options.push(format!("mode={:o}", asked.mode));
    }
    for pair in &asked.options {
        match pair.as_slice() {
            [flag] => options.push(flag.clone()),
            [key, value] => options.push(format!("{key}={value}")),
            _ => return Err("invalid option array length".to_owned()),
        }
    }
    if mount.read_only {
        options.push("ro".to_owned());
    }
    Ok(TmpfsSpec {
        target: mount.target.clone(),
        options,
    })
}

fn extra(field: &str, given: bool) -> Result<(), String> {
    match given {
        true => Err(format!("field {field} must not be specified")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_api::container::{BindOptions, TmpfsOptions};

    use super::*;

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let bind = |text| bind_spec(text).unwrap();
        let read_only = bind("/a:/b:ro,rslave");
        assert_eq!(read_only.source, MountSource::Host("/a".into()));
        assert!(read_only.read_only && read_only.options.create_source);
        assert_eq!(read_only.options.propagation, "rslave");
        assert_eq!(bind("data:/d").source, MountSource::Volume("data".into()));
        assert!(bind("data:/d:nocopy,z").options.no_copy);
        assert_eq!(bind("/only").source, MountSource::Anonymous);
        for bad in [
            "",
            ":/x",
            "a:/b:c:d",
            "/a:/b:sideways",
            "/a:",
            "/a:/b:ro,rw",
            "/a:/b:nocopy",
            "a:/b:rshared",
            "/a:/b:z,Z",
            "/a:/b:shared,slave",
            "/a:/b:ro,",
        ] {
            assert!(bind_spec(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            bind_spec("/a:/b:odd").unwrap_err().to_string(),
            "invalid mode: odd"
        );
    }

    #[test]
    fn long_mounts_are_refused_in_dockers_words() {
        let told = |mount: Mount| {
            let host = HostConfig {
                mounts: vec![mount],
                ..HostConfig::default()
            };
            let config = ContainerConfig::default();
            match mounts(&config, &host).and_then(|_| tmpfs(&host)) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        let mount = |kind: &str, source: &str| Mount {
            kind: kind.into(),
            source: source.into(),
            target: "/t".into(),
            ..Mount::default()
        };
        let cases = [
            (
                mount("bind", ""),
                "invalid mount config for type \"bind\": field Source must not be empty",
            ),
            (
                mount("bind", "x"),
                "invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute",
            ),
            (
                mount("what", ""),
                "invalid mount config for type \"what\": mount type unknown",
            ),
            (
                mount("tmpfs", "x"),
                "invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
        ];
        for (mount, expected) in cases {
            assert_eq!(told(mount), expected);
        }
        let odd = Mount {
            bind_options: Some(BindOptions {
                propagation: "odd".into(),
                ..BindOptions::default()
            }),
            ..mount("bind", "/x")
        };
        assert!(told(odd).ends_with("invalid propagation mode: odd"));
        let sized = Mount {
            tmpfs_options: Some(TmpfsOptions {
                size_bytes: 4096,
                mode: 0o700,
                ..TmpfsOptions::default()
            }),
            ..mount("tmpfs", "")
        };
        assert_eq!(
            tmpfs_spec(&sized).unwrap().options,
            ["size=4096", "mode=700"]
        );
    }
}
