//! Devices and device rules as Docker writes them.

use bulkhead_model::process::{DeviceAccess, DeviceKind, DeviceMapping, DeviceRule};

use crate::spec::DeviceSpec;

/// A device that cannot be meant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidDevice {
    /// Docker's words.
    #[error("invalid device cgroup rule format: '{0}'")]
    Rule(String),
    /// Not some of `rwm`.
    #[error("bad mode specified: {0}")]
    Mode(String),
    /// Not absolute, or with `..`.
    #[error("{0:?} is not an absolute path")]
    Path(String),
}

/// Reads one device; a missing target is the source's, a missing mode `rwm`.
pub fn mapping(spec: &DeviceSpec) -> Result<DeviceMapping, InvalidDevice> {
    let target = match spec.target.as_str() {
        "" => &spec.source,
        given => given,
    };
    for path in [spec.source.as_str(), target] {
        let plain = path.starts_with('/') && !path.contains('\0') && !path.ends_with('/');
        if !plain || path.split('/').any(|part| part == "..") {
            return Err(InvalidDevice::Path(path.to_owned()));
        }
    }
    let access = match spec.access.as_str() {
        "" => Some(DeviceAccess::ALL),
        letters => access(letters),
    };
    Ok(DeviceMapping {
        source: spec.source.clone().into(),
        target: target.into(),
        access: access.ok_or_else(|| InvalidDevice::Mode(spec.access.clone()))?,
    })
}

/// Reads `c 1:* rwm`; the kind `a` is both.
pub fn rule(text: &str) -> Result<DeviceRule, InvalidDevice> {
    let invalid = || InvalidDevice::Rule(text.to_owned());
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, letters] = words[..] else {
        return Err(invalid());
    };
    let kind = match kind {
        "a" => None,
        "c" => Some(DeviceKind::Character),
        "b" => Some(DeviceKind::Block),
        _ => return Err(invalid()),
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    Ok(DeviceRule {
        kind,
        major: number(major).ok_or_else(invalid)?,
        minor: number(minor).ok_or_else(invalid)?,
        access: access(letters).ok_or_else(invalid)?,
    })
}

fn access(letters: &str) -> Option<DeviceAccess> {
    let mut access = DeviceAccess::default();
    for letter in letters.chars() {
        match letter {
            'r' => access.read = true,
            'w' => access.write = true,
            'm' => access.mknod = true,
            _ => return None,
        }
    }
    (1..=3).contains(&letters.len()).then_some(access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_docker_reads_them() {
        let read = rule("c 42:* rmw").unwrap();
        assert_eq!((read.major, read.minor), (Some(42), None));
        assert_eq!(read.access, DeviceAccess::ALL);
        assert_eq!(rule("a *:* r").unwrap().kind, None);
        for bad in [
            "",
            "c 1:3",
            "d 1:3 r",
            "c 1 r",
            "c -1:3 r",
            "c 1:3 x",
            "c 1:3 rwmr",
            "c 1:3  r",
            "c 1:3 r\nc 2:2 r",
            "c +1:3 r",
        ] {
            assert_eq!(rule(bad), Err(InvalidDevice::Rule(bad.to_owned())));
        }
    }

    #[test]
    fn a_device_is_mapped_to_its_own_path_by_default() {
        let read = |source: &str, target: &str, access: &str| {
            mapping(&DeviceSpec {
                source: source.into(),
                target: target.into(),
                access: access.into(),
            })
        };
        let plain = read("/dev/fuse", "", "").unwrap();
        assert_eq!(plain.target, plain.source);
        assert!(!read("/dev/fuse", "/dev/x", "r").unwrap().access.write);
        assert!(read("dev/fuse", "", "").is_err());
        assert!(read("/dev/fuse", "/../x", "").is_err());
        assert!(read("/dev/fuse", "", "q").is_err());
    }
}
