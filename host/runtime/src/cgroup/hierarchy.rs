//! Which cgroup hierarchies this machine has (`cgroups(7)`, kernel
//! `cgroup-v1/cgroups.rst` and `cgroup-v2.rst`).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::write;
use crate::error::RuntimeError;

/// The version of a hierarchy's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One tree for each controller.
    One,
    /// One tree for all.
    Two,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its directory's name below /sys/fs/cgroup; empty when it is there itself.
    pub name: String,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its version.
    pub version: Version,
    /// Controllers.
    pub controllers: Vec<String>,
}

const BASE: &str = "/sys/fs/cgroup";

impl Hierarchy {
    /// Whether it has a controller.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// Lets the children of `dir` have controllers. One that the machine
    /// does not give is found out when a limit needs it.
    pub(super) fn delegate(&self, dir: &OwnedFd) {
        match self.version {
            Version::Two => {
                for controller in &self.controllers {
                    let _ = write(dir, "cgroup.subtree_control", &format!("+{controller}"));
                }
            }
            // A new cpuset has no CPUs, and takes no process, unless it
            // copies its parent's.
            Version::One if self.has("cpuset") => {
                let _ = write(dir, "cgroup.clone_children", "1");
            }
            Version::One => {}
        }
    }
}

/// All hierarchies mounted at or right below /sys/fs/cgroup.
///
/// # Errors
/// There is none, or /proc/self/mountinfo cannot be read.
pub(super) fn find() -> Result<Vec<Hierarchy>, RuntimeError> {
    let path = Path::new("/proc/self/mountinfo");
    let failed = |source| RuntimeError::State {
        path: path.to_owned(),
        source,
    };
    let mut found = parse(&std::fs::read_to_string(path).map_err(failed)?);
    for hierarchy in found.iter_mut().filter(|h| h.version == Version::Two) {
        let file = hierarchy.mount.join("cgroup.controllers");
        let text = std::fs::read_to_string(&file)
            .map_err(|source| RuntimeError::State { path: file, source })?;
        hierarchy.controllers = text.split_whitespace().map(str::to_owned).collect();
    }
    if found.is_empty() {
        Err(RuntimeError::NoCgroups)
    } else {
        Ok(found)
    }
}

/// Fields 5 is the mount point; after ` - ` come type, source and options
/// of the superblock (`proc_pid_mountinfo(5)`).
fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut out: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((front, back)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(mount), Some(root)) = (front.split(' ').nth(4), front.split(' ').nth(3)) else {
            continue;
        };
        let mut back = back.split(' ');
        let (kind, options) = (back.next(), back.nth(1).unwrap_or(""));
        let version = match kind {
            Some("cgroup") => Version::One,
            Some("cgroup2") => Version::Two,
            _ => continue,
        };
        let Some(name) = mount
            .strip_prefix(BASE)
            .map(|rest| rest.trim_start_matches('/'))
        else {
            continue;
        };
        // A second mount of the same, or somebody's view of a part of it.
        if name.contains('/') || root != "/" || out.iter().any(|h| h.mount == Path::new(mount)) {
            continue;
        }
        out.push(Hierarchy {
            name: name.to_owned(),
            mount: mount.into(),
            version,
            controllers: v1_controllers(options),
        });
    }
    out
}

fn v1_controllers(options: &str) -> Vec<String> {
    const NOT_CONTROLLERS: [&str; 6] = [
        "rw",
        "ro",
        "xattr",
        "clone_children",
        "noprefix",
        "nsdelegate",
    ];
    let is_controller = |o: &&str| !NOT_CONTROLLERS.contains(o) && !o.contains('=');
    options
        .split(',')
        .filter(is_controller)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_and_pure_machines_are_told_apart() {
        let hybrid = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
            34 30 0:29 /sub /somewhere/else rw - cgroup2 cgroup2 rw\n";
        let found = parse(hybrid);
        let names: Vec<_> = found.iter().map(|h| (h.name.as_str(), h.version)).collect();
        assert_eq!(
            names,
            [
                ("cpu,cpuacct", Version::One),
                ("systemd", Version::One),
                ("unified", Version::Two)
            ]
        );
        assert!(found[0].has("cpuacct") && found[1].controllers.is_empty());
        let pure =
            parse("30 25 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
        assert_eq!((pure[0].name.as_str(), pure[0].version), ("", Version::Two));
    }
}
