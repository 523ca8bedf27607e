//! Changing the limits of a container that runs: all of them or none.
//!
//! What to write is decided first ([`writes`], pure); then each file's old
//! value is remembered before the new one is written, so that a refusal takes
//! everything back.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use bulkhead_model::resources::Resources;
use bulkhead_sys::Error;
use bulkhead_sys::path::{OFlag, open_beneath};

use super::limits::{cpu_bandwidth, swap_value, weight_of_shares};
use super::{Parent, Version, failed, write};
use crate::error::RuntimeError;

/// Files of which the first that exists is written, and how it takes the value.
type Files = &'static [(&'static str, fn(&str) -> String)];

/// One file to write in the hierarchy that has a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Write {
    controller: &'static str,
    files: Files,
    value: String,
    /// What to tell the user when no such file exists.
    missing: &'static str,
}

const AS_IS: fn(&str) -> String = str::to_owned;
const NO_SWAP: &str = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";

/// Applies what is set.
pub(super) fn apply(
    parent: &Parent,
    id: &str,
    limits: &Resources,
) -> Result<Vec<String>, RuntimeError> {
    let mut warnings = Vec::new();
    let mut done: Vec<(OwnedFd, &'static str, String)> = Vec::new();
    let version = |controller| Some(parent.with_controller(controller)?.version);
    let mut all = writes(limits, version);
    order_memory(parent, id, &mut all);
    for write in &all {
        let applied = parent.apply_write(id, write, &mut done);
        match applied {
            Ok(true) => {}
            Ok(false) => warnings.push(write.missing.to_owned()),
            Err(error) => return Err(take_back(done, error)),
        }
    }
    Ok(warnings)
}

fn take_back(done: Vec<(OwnedFd, &'static str, String)>, first: RuntimeError) -> RuntimeError {
    let back = |(dir, file, old): &(OwnedFd, &'static str, String)| write(dir, file, old).err();
    let undo: Vec<String> = (done.iter().rev().filter_map(back))
        .map(|error| bulkhead_model::error::message(&error))
        .collect();
    if undo.is_empty() {
        return first;
    }
    RuntimeError::Undo {
        first: Box::new(first),
        undo,
    }
}

impl Parent {
    /// Whether there is a file for it.
    fn apply_write(
        &self,
        id: &str,
        wanted: &Write,
        done: &mut Vec<(OwnedFd, &'static str, String)>,
    ) -> Result<bool, RuntimeError> {
        let Some((dir, path)) = self.dir_of(wanted.controller, id)? else {
            return Ok(false);
        };
        for (file, convert) in wanted.files {
            let failed = |source| failed(&path, source);
            let old = match read(&dir, file) {
                Err(e) if e.io_kind() == io::ErrorKind::NotFound => continue,
                old => old.map_err(failed)?,
            };
            write(&dir, file, &convert(&wanted.value)).map_err(failed)?;
            done.push((dir, file, old));
            return Ok(true);
        }
        Ok(false)
    }

    fn dir_of(
        &self,
        controller: &str,
        id: &str,
    ) -> Result<Option<(OwnedFd, std::path::PathBuf)>, RuntimeError> {
        let Some(at) = self.hierarchies.iter().position(|h| h.has(controller)) else {
            return Ok(None);
        };
        let path = self.path(&self.hierarchies[at], id);
        match open_beneath(&self.dirs[at], id, OFlag::O_PATH | OFlag::O_DIRECTORY, 0) {
            Ok(dir) => Ok(Some((dir, path))),
            Err(e) if e.io_kind() == io::ErrorKind::NotFound => {
                Err(RuntimeError::NotRunning(id.to_owned()))
            }
            Err(source) => Err(failed(&path, source)),
        }
    }
}

/// Version 1 keeps memory at or below memory plus swap at every moment
/// (`cgroup-v1/memory.rst`, "memory+swap"): growing, the sum goes first.
fn order_memory(parent: &Parent, id: &str, all: &mut [Write]) {
    const SUM: &str = "memory.memsw.limit_in_bytes";
    let is = |w: &Write, name: &str| w.files[0].0 == name;
    let memory = all.iter().position(|w| is(w, "memory.limit_in_bytes"));
    let sum = all.iter().position(|w| is(w, SUM));
    let (Some(memory), Some(sum)) = (memory, sum) else {
        return;
    };
    let Ok(Some((dir, _))) = parent.dir_of("memory", id) else {
        return;
    };
    let current = read(&dir, SUM)
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    // -1 is no limit.
    let wanted = all[sum].value.parse().unwrap_or(u64::MAX);
    if current.is_some_and(|current| wanted > current) == (memory < sum) {
        all.swap(memory, sum);
    }
}

/// The files for all that is set, memory before memory plus swap.
fn writes(limits: &Resources, version: impl Fn(&'static str) -> Option<Version>) -> Vec<Write> {
    let mut all = memory(limits, version("memory"));
    all.extend(cpu(limits, version("cpu")));
    let (cpus, nodes) = (&limits.cpuset_cpus, &limits.cpuset_mems);
    let missing = "Your kernel does not support cpuset limit capabilities or the cgroup is not mounted. Limitation discarded.";
    all.extend(write_of(
        "cpuset",
        &[("cpuset.cpus", AS_IS)],
        cpus.clone(),
        missing,
    ));
    all.extend(write_of(
        "cpuset",
        &[("cpuset.mems", AS_IS)],
        nodes.clone(),
        missing,
    ));
    let pids = limits.pids.map(|most| match most {
        ..=0 => "max".to_owned(),
        most => most.to_string(),
    });
    let missing = "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. Limitation discarded.";
    all.extend(write_of("pids", &[("pids.max", AS_IS)], pids, missing));
    let weight = limits.blkio_weight.map(|weight| weight.to_string());
    let missing = "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.";
    all.extend(if version("io").is_some() {
        let files: &[_] = &[("io.bfq.weight", AS_IS), ("io.weight", io_weight)];
        write_of("io", files, weight, missing)
    } else {
        let files: &[_] = &[("blkio.bfq.weight", AS_IS), ("blkio.weight", AS_IS)];
        write_of("blkio", files, weight, missing)
    });
    all
}

fn write_of(
    controller: &'static str,
    files: Files,
    value: Option<String>,
    missing: &'static str,
) -> Option<Write> {
    Some(Write {
        controller,
        files,
        value: value?,
        missing,
    })
}

fn memory(limits: &Resources, version: Option<Version>) -> Vec<Write> {
    let memory = limits.memory.map(|n| n.to_string());
    let soft = limits.memory_reservation.map(|n| n.to_string());
    let no_memory = "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.";
    let version = version.unwrap_or(Version::Two);
    let swap = swap_value(limits, version);
    let unlimited = match version {
        Version::One => "-1",
        Version::Two => "max",
    };
    let swap = swap.map(|n| {
        if n < 0 {
            unlimited.to_owned()
        } else {
            n.to_string()
        }
    });
    let files: [Files; 3] = match version {
        Version::One => [
            &[("memory.limit_in_bytes", AS_IS)],
            &[("memory.memsw.limit_in_bytes", AS_IS)],
            &[("memory.soft_limit_in_bytes", AS_IS)],
        ],
        Version::Two => [
            &[("memory.max", AS_IS)],
            &[("memory.swap.max", AS_IS)],
            &[("memory.low", AS_IS)],
        ],
    };
    [
        write_of("memory", files[0], memory, no_memory),
        write_of("memory", files[1], swap, NO_SWAP),
        write_of("memory", files[2], soft, no_memory),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn cpu(limits: &Resources, version: Option<Version>) -> Vec<Write> {
    let (period, quota) = cpu_bandwidth(limits);
    let shares = limits.cpu_shares.filter(|shares| *shares != 0);
    let missing = "Your kernel does not support CPU limit capabilities or the cgroup is not mounted. Limitation discarded.";
    let all = if version == Some(Version::One) {
        let number = |n: i64| n.to_string();
        [
            write_of(
                "cpu",
                &[("cpu.shares", AS_IS)],
                shares.map(|n| n.to_string()),
                missing,
            ),
            write_of(
                "cpu",
                &[("cpu.cfs_period_us", AS_IS)],
                period.map(|n| n.to_string()),
                missing,
            ),
            write_of(
                "cpu",
                &[("cpu.cfs_quota_us", AS_IS)],
                quota.map(number),
                missing,
            ),
        ]
    } else {
        let shares = shares.map(|n| weight_of_shares(n).to_string());
        let bandwidth = (period.is_some() || quota.is_some()).then(|| {
            let quota = quota
                .filter(|n| *n > 0)
                .map_or("max".to_owned(), |n| n.to_string());
            format!("{quota} {}", period.unwrap_or(100_000))
        });
        [
            write_of("cpu", &[("cpu.weight", AS_IS)], shares, missing),
            write_of("cpu", &[("cpu.max", AS_IS)], bandwidth, missing),
            None,
        ]
    };
    all.into_iter().flatten().collect()
}

/// 10..=1000 onto 1..=10000, as the OCI runtimes do.
pub(super) fn io_weight(weight: &str) -> String {
    let weight: u64 = weight.parse().unwrap_or(10);
    (1 + (weight.clamp(10, 1000) - 10) * 9999 / 990).to_string()
}

/// A file's value in the form it takes back.
fn read(dir: &OwnedFd, name: &'static str) -> Result<String, Error> {
    let mut text = String::new();
    let mut file = File::from(open_beneath(dir, name, OFlag::O_RDONLY, 0)?);
    (file.read_to_string(&mut text)).map_err(|e| Error::new("read", name, e))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(limits: &Resources, version: Version) -> Vec<(&'static str, String)> {
        let all = writes(limits, |name| match (name, version) {
            ("io", Version::One) | ("blkio", Version::Two) => None,
            _ => Some(version),
        });
        all.into_iter().map(|w| (w.files[0].0, w.value)).collect()
    }

    #[test]
    fn only_what_is_set_is_written() {
        assert_eq!(files(&Resources::default(), Version::Two), []);
        let limits = Resources {
            memory: Some(100),
            memory_swap: Some(150),
            nano_cpus: Some(500_000_000),
            pids: Some(-1),
            ..Resources::default()
        };
        let owned = |all: &[(&'static str, &str)]| {
            all.iter()
                .map(|(f, v)| (*f, (*v).to_owned()))
                .collect::<Vec<_>>()
        };
        let one = [
            ("memory.limit_in_bytes", "100"),
            ("memory.memsw.limit_in_bytes", "150"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "50000"),
            ("pids.max", "max"),
        ];
        assert_eq!(files(&limits, Version::One), owned(&one));
        let two = [
            ("memory.max", "100"),
            ("memory.swap.max", "50"),
            ("cpu.max", "50000 100000"),
            ("pids.max", "max"),
        ];
        assert_eq!(files(&limits, Version::Two), owned(&two));
    }

    #[test]
    fn weights_of_block_devices_cover_version_twos_range() {
        assert_eq!([io_weight("10"), io_weight("1000")], ["1", "10000"]);
    }
}
