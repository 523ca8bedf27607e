//! `--mount type=…,source=…,target=…`

use bulkhead_api::container::{BindOptions, Mount, MountDriver, TmpfsOptions, VolumeOptions};

use super::{InvalidValue, invalid, parse_size};

/// Reads one mount; what the daemon can say better is left to it.
pub(crate) fn parse_mount(text: &str) -> Result<Mount, InvalidValue> {
    let mut parts = Parts::default();
    for field in fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        parts.set(&key.to_ascii_lowercase(), value, &field)?;
    }
    parts.finish()
}

/// Comma-separated values, one of which may be in quotes (RFC 4180).
fn fields(text: &str) -> Result<Vec<String>, InvalidValue> {
    let (mut out, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err(invalid(format!("invalid mount {text}: missing quote")));
    }
    out.push(field);
    Ok(out)
}

#[derive(Default)]
struct Parts {
    mount: Mount,
    bind: BindOptions,
    volume: VolumeOptions,
    driver: MountDriver,
    tmpfs: TmpfsOptions,
}

impl Parts {
    fn set(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<(), InvalidValue> {
        let flag = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(invalid(format!("invalid value for {key}: {other}"))),
        };
        match key {
            "readonly" | "ro" => self.mount.read_only = flag()?,
            "volume-nocopy" => self.volume.no_copy = flag()?,
            "bind-nonrecursive" => self.bind.non_recursive = flag()?,
            "bind-create-src" => self.bind.create_mountpoint = flag()?,
            _ => {
                let missing =
                    || invalid(format!("invalid field '{field}' must be a key=value pair"));
                return self.set_text(key, value.ok_or_else(missing)?, field);
            }
        }
        Ok(())
    }

    fn set_text(&mut self, key: &str, value: &str, field: &str) -> Result<(), InvalidValue> {
        let pair = || {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            (name.to_owned(), value.to_owned())
        };
        match key {
            "type" => self.mount.kind = value.to_ascii_lowercase(),
            "source" | "src" => self.mount.source = absolute(value)?,
            "target" | "dst" | "destination" => value.clone_into(&mut self.mount.target),
            "consistency" => value.clone_into(&mut self.mount.consistency),
            "bind-propagation" => self.bind.propagation = value.to_ascii_lowercase(),
            "bind-recursive" => self.set_recursive(value)?,
            "volume-subpath" => value.clone_into(&mut self.volume.subpath),
            "volume-driver" => value.clone_into(&mut self.driver.name),
            "volume-opt" => self.driver.options.extend([pair()]),
            "volume-label" => self.volume.labels.extend([pair()]),
            "tmpfs-size" => {
                let size = parse_size(value);
                self.tmpfs.size_bytes =
                    size.map_err(|_| invalid(format!("invalid value for {key}: {value}")))?;
            }
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8);
                self.tmpfs.mode =
                    mode.map_err(|_| invalid(format!("invalid value for {key}: {value}")))?;
            }
            _ => return Err(invalid(format!("unexpected key '{key}' in '{field}'"))),
        }
        Ok(())
    }

    fn set_recursive(&mut self, value: &str) -> Result<(), InvalidValue> {
        match value {
            "enabled" => {}
            "disabled" => self.bind.non_recursive = true,
            "writable" => self.bind.read_only_non_recursive = true,
            "readonly" => self.bind.read_only_force_recursive = true,
            other => {
                return Err(invalid(format!(
                    "invalid value for bind-recursive: {other} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                )));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Mount, InvalidValue> {
        if self.mount.kind.is_empty() {
            "volume".clone_into(&mut self.mount.kind);
        }
        if self.mount.target.is_empty() {
            return Err(invalid("target is required"));
        }
        if self.driver != MountDriver::default() {
            self.volume.driver_config = Some(self.driver);
        }
        let kind = self.mount.kind.clone();
        let foreign = |options: &str| {
            invalid(format!(
                "cannot mix '{options}-*' options with mount type '{kind}'"
            ))
        };
        let (bind, volume) = (BindOptions::default(), VolumeOptions::default());
        if self.bind != bind {
            self.mount.bind_options = Some(self.bind);
        }
        if self.volume != volume {
            self.mount.volume_options = Some(self.volume);
        }
        if self.tmpfs != TmpfsOptions::default() {
            self.mount.tmpfs_options = Some(self.tmpfs);
        }
        match kind.as_str() {
            kind if kind != "bind" && self.mount.bind_options.is_some() => Err(foreign("bind")),
            kind if kind != "volume" && self.mount.volume_options.is_some() => {
                Err(foreign("volume"))
            }
            kind if kind != "tmpfs" && self.mount.tmpfs_options.is_some() => Err(foreign("tmpfs")),
            _ => Ok(self.mount),
        }
    }
}

/// `./x` for binds; names of volumes stay as they are.
fn absolute(source: &str) -> Result<String, InvalidValue> {
    if source != "." && source != ".." && !source.starts_with("./") && !source.starts_with("../") {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(source)
        .map_err(|error| invalid(format!("cannot resolve {source}: {error}")))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| invalid(format!("invalid characters in {source}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_field_by_field() {
        let mount =
            parse_mount("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave").unwrap();
        assert_eq!((mount.kind.as_str(), mount.read_only), ("bind", true));
        assert_eq!(mount.bind_options.unwrap().propagation, "rslave");
        let quoted = parse_mount("type=volume,\"source=a,b\",dst=/b,volume-nocopy=true").unwrap();
        assert_eq!(quoted.source, "a,b");
        assert!(quoted.volume_options.unwrap().no_copy);
        let memory = parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700").unwrap();
        let options = memory.tmpfs_options.unwrap();
        assert_eq!((options.size_bytes, options.mode), (1 << 20, 0o700));
    }

    #[test]
    fn odd_mounts_are_refused_in_dockers_words() {
        let told = |text: &str| parse_mount(text).unwrap_err().to_string();
        assert_eq!(told("type=bind"), "target is required");
        assert_eq!(told("target=/x,odd=1"), "unexpected key 'odd' in 'odd=1'");
        assert_eq!(
            told("target=/x,source"),
            "invalid field 'source' must be a key=value pair"
        );
        assert_eq!(told("target=/x,ro=maybe"), "invalid value for ro: maybe");
        assert_eq!(
            told("type=tmpfs,target=/x,volume-nocopy"),
            "cannot mix 'volume-*' options with mount type 'tmpfs'"
        );
    }
}
