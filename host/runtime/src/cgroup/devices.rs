//! Which devices a container may open and make, as Docker and the OCI runtime
//! specification ("Default Devices") have them.

use std::os::fd::OwnedFd;

use bulkhead_sys::Error;
use bulkhead_sys::device_bpf::{self, DeviceRule};

use super::{Hierarchy, Version, write};

/// Any device file may be made: making is not opening.
const MAKE_ANY: [DeviceRule; 2] = [make_any(true), make_any(false)];

const fn make_any(character: bool) -> DeviceRule {
    DeviceRule {
        character: Some(character),
        major: None,
        minor: None,
        mknod: true,
        read: false,
        write: false,
    }
}

const fn open(major: u32, minor: Option<u32>) -> DeviceRule {
    DeviceRule {
        character: Some(true),
        major: Some(major),
        minor,
        mknod: true,
        read: true,
        write: true,
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

/// Which devices a container may use.
#[derive(Clone, Debug)]
pub enum Access {
    /// All of them.
    Everything,
    /// The default ones and these.
    Beside(Vec<DeviceRule>),
}

/// The version 2 filter, loaded once for all containers; `None` when this
/// kernel has no device filters.
pub(super) fn filter() -> Option<OwnedFd> {
    load(&[])
}

fn load(more: &[DeviceRule]) -> Option<OwnedFd> {
    let all: Vec<_> = rules().chain(more.iter().copied()).collect();
    device_bpf::load(&all).ok()
}

/// Restricts a new cgroup to the default devices and `more`; `filter` is the
/// one for the default devices alone.
pub(super) fn restrict(
    hierarchy: &Hierarchy,
    dir: &OwnedFd,
    more: &[DeviceRule],
    filter: Option<&OwnedFd>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let own = if more.is_empty() { None } else { load(more) };
    let filter = if more.is_empty() {
        filter
    } else {
        own.as_ref()
    };
    match hierarchy.version {
        Version::One if hierarchy.has("devices") => {
            write(dir, "devices.deny", "a")?;
            let mut all = rules().chain(more.iter().copied()).flat_map(lines);
            all.try_for_each(|line| write(dir, "devices.allow", &line))
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

/// Kernel `cgroup-v1/devices.rst`. Both kinds are two lines: the letter `a`
/// would allow everything, whatever numbers follow.
fn lines(rule: DeviceRule) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let letters = [(rule.read, 'r'), (rule.write, 'w'), (rule.mknod, 'm')];
    let access: String = letters.iter().filter(|l| l.0).map(|l| l.1).collect();
    let kinds: &[char] = match rule.character {
        Some(true) => &['c'],
        Some(false) => &['b'],
        None => &['c', 'b'],
    };
    let (major, minor) = (number(rule.major), number(rule.minor));
    let line = |kind| format!("{kind} {major}:{minor} {access}");
    kinds.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_kernels_form() {
        let all: Vec<String> = rules().flat_map(lines).collect();
        assert_eq!(all[..3], ["c *:* m", "b *:* m", "c 1:3 rwm"]);
        assert_eq!(all.last().unwrap(), "c 136:* rwm");
        let both = DeviceRule {
            character: None,
            major: Some(7),
            minor: None,
            mknod: false,
            read: true,
            write: false,
        };
        assert_eq!(lines(both), ["c 7:* r", "b 7:* r"]);
    }
}
