//! One function per kind of object, each a list of lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;

const OURS: &str = "bulkhead";

/// Every mount of our own namespace, and in the others those with our name:
/// a mount that is gone here may be held there.
pub(super) fn mounts() -> Vec<String> {
    let own = fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    let mut lines = Vec::new();
    for (namespace, pid) in namespaces("mnt") {
        let info = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let points = info.lines().filter_map(mount);
        match namespace == own {
            true => lines.extend(points),
            false => lines.extend(points.filter(|point| point.contains(OURS))),
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

/// Fields 5 and, after the separator, 9 and 10 of proc_pid_mountinfo(5).
fn mount(line: &str) -> Option<String> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    Some(format!("mount {point} {} {}", right.next()?, right.next()?))
}

/// Links of our own network namespace.
pub(super) fn links() -> Vec<String> {
    names("/sys/class/net")
        .map(|name| format!("link {name}"))
        .collect()
}

/// Named namespaces, and those that only a process holds.
pub(super) fn network_namespaces() -> Vec<String> {
    let named = names("/run/netns").map(|name| format!("netns {name}"));
    let held = namespaces("net").into_keys();
    let held = held.map(|namespace| format!("netns {}", namespace.display()));
    named.chain(held).collect()
}

/// Cgroups under our name in every hierarchy, with all below them.
pub(super) fn cgroups() -> Vec<String> {
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 0, &mut found);
    found
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<String>) {
    // Hierarchy, systemd's slices and scopes, ours, the container.
    if depth > 8 {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if path.to_string_lossy().contains(OURS) {
            found.push(format!("cgroup {}", path.display()));
        }
        walk(&path, depth + 1, found);
    }
}

/// Loop devices with a file behind them.
pub(super) fn loop_devices() -> Vec<String> {
    let backing = |name: String| {
        let file = format!("/sys/block/{name}/loop/backing_file");
        let file = fs::read_to_string(file).ok()?;
        Some(format!("loop {name} {}", file.trim()))
    };
    names("/sys/block").filter_map(backing).collect()
}

/// Tables of nftables with our name.
pub(super) fn tables() -> Vec<String> {
    let mut nft = Command::new("nft");
    let listed = process::stdout_of(nft.args(["list", "tables"]), Duration::from_secs(10));
    let listed = listed.unwrap_or_default();
    listed
        .lines()
        .filter(|line| line.contains(OURS))
        .map(|line| format!("nft {line}"))
        .collect()
}

/// Processes of ours, by the path of their program: a shim's is that of a
/// sealed memfd. A container's own are found by their cgroup and namespaces.
pub(super) fn processes() -> Vec<String> {
    let ours = |pid: u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = program.file_name()?.to_str()?.trim_start_matches("memfd:");
        let is_ours = name.starts_with(OURS) && !name.starts_with("bulkhead-xtask");
        is_ours.then(|| format!("process {name} ({pid})"))
    };
    pids().filter_map(ours).collect()
}

/// Temporary folders of ours.
pub(super) fn folders() -> Vec<String> {
    let temporary = std::env::temp_dir();
    let ours = names(&temporary.to_string_lossy()).filter(|name| name.starts_with("bulkhead-"));
    ours.map(|name| format!("folder {}", temporary.join(name).display()))
        .collect()
}

/// Each distinct namespace of `kind`, with the first process in it.
fn namespaces(kind: &str) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    for pid in pids() {
        if let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
            found.entry(namespace).or_insert(pid);
        }
    }
    found
}

fn pids() -> impl Iterator<Item = u32> {
    let mut pids: Vec<u32> = names("/proc")
        .filter_map(|name| name.parse().ok())
        .collect();
    pids.sort_unstable();
    pids.into_iter()
}

fn names(dir: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_told_by_its_point_type_and_source() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line).as_deref(), Some("mount /mnt2 ext3 /dev/root"));
    }

    #[test]
    fn this_machine_has_mounts_and_the_loopback_link() {
        assert!(!mounts().is_empty());
        assert!(links().contains(&"link lo".to_owned()));
    }
}
