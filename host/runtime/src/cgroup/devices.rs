//! Which devices a container may open and make, as Docker and the OCI runtime
//! specification ("Default Devices") have them.

use std::os::fd::OwnedFd;

use bulkhead_sys::Error;
use bulkhead_sys::device_bpf::{self, DeviceRule};

use super::{Hierarchy, Version, write};

/// Any device file may be made: making is not opening.
const MAKE_ANY: [DeviceRule; 2] = [
    DeviceRule {
        character: true,
        major: None,
        minor: None,
        mknod: true,
        access: false,
    },
    DeviceRule {
        character: false,
        major: None,
        minor: None,
        mknod: true,
        access: false,
    },
];

const fn open(major: u32, minor: Option<u32>) -> DeviceRule {
    DeviceRule {
        character: true,
        major: Some(major),
        minor,
        mknod: true,
        access: true,
    }
}

/// null, zero, full, random, urandom, tty, console, ptmx, and all of pts.
const OPEN: [DeviceRule; 9] = [
    open(1, Some(3)),
    open(1, Some(5)),
    open(1, Some(7)),
    open(1, Some(8)),
    open(1, Some(9)),
    open(5, Some(0)),
    open(5, Some(1)),
    open(5, Some(2)),
    open(136, None),
];

fn rules() -> impl Iterator<Item = DeviceRule> {
    MAKE_ANY.into_iter().chain(OPEN)
}

/// The version 2 filter, loaded once for all containers; `None` when this
/// kernel has no device filters.
pub(super) fn filter() -> Option<OwnedFd> {
    device_bpf::load(&rules().collect::<Vec<_>>()).ok()
}

/// Restricts a new cgroup.
pub(super) fn restrict(
    hierarchy: &Hierarchy,
    dir: &OwnedFd,
    filter: Option<&OwnedFd>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    match hierarchy.version {
        Version::One if hierarchy.has("devices") => {
            write(dir, "devices.deny", "a")?;
            rules().try_for_each(|rule| write(dir, "devices.allow", &line(&rule)))
        }
        Version::One => Ok(()),
        // A filter needs a descriptor that is open for reading.
        Version::Two => {
            let readable = bulkhead_sys::path::open_beneath(
                dir,
                ".",
                bulkhead_sys::path::OFlag::O_RDONLY | bulkhead_sys::path::OFlag::O_DIRECTORY,
                0,
            )?;
            let attached = filter.map(|filter| device_bpf::attach(filter, &readable));
            if !matches!(attached, Some(Ok(()))) {
                warnings.push("Your kernel does not support device filters in cgroups.".to_owned());
            }
            Ok(())
        }
    }
}

/// Kernel `cgroup-v1/devices.rst`.
fn line(rule: &DeviceRule) -> String {
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let kind = if rule.character { 'c' } else { 'b' };
    let access = if rule.access { "rwm" } else { "m" };
    format!(
        "{kind} {}:{} {access}",
        number(rule.major),
        number(rule.minor)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_kernels_form() {
        let lines: Vec<String> = rules().map(|r| line(&r)).collect();
        assert_eq!(lines[..3], ["c *:* m", "b *:* m", "c 1:3 rwm"]);
        assert_eq!(lines.last().unwrap(), "c 136:* rwm");
    }
}
