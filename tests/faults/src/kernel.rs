//! What the kernel and the disk hold for one daemon's containers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_test_support::Daemon;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One daemon's part of the kernel.
pub(crate) struct Kernel {
    /// The cgroup parent's and the packet filter table's name.
    name: String,
    lasting: String,
    folder: PathBuf,
}

/// What is held, or what should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) cgroups: BTreeSet<String>,
    pub(crate) shims: BTreeSet<String>,
    pub(crate) links: usize,
    pub(crate) ports: usize,
    pub(crate) mounts: usize,
}

impl Kernel {
    pub(crate) fn of(daemon: &Daemon, lasting: &str) -> Result<Self> {
        let answer = daemon.request("GET", &format!("/containers/{lasting}/json"));
        let pid = answer.json()["State"]["Pid"].clone();
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let name = cgroups
            .lines()
            .next()
            .and_then(|line| line.split('/').nth(1));
        Ok(Self {
            name: name.context("a cgroup of ours")?.to_owned(),
            lasting: lasting.to_owned(),
            folder: daemon.folder().to_owned(),
        })
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            cgroups: self.cgroups(),
            shims: self.shims().into_iter().map(|(id, _)| id).collect(),
            links: self.links(),
            ports: self.ports(),
            mounts: self.mounts(),
        }
    }

    fn parents(&self) -> Vec<PathBuf> {
        let base = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(base).into_iter().flatten().flatten();
        let below = hierarchies.map(|h| h.path().join(&self.name));
        below
            .chain([base.join(&self.name)])
            .filter(|p| p.exists())
            .collect()
    }

    fn cgroups(&self) -> BTreeSet<String> {
        let parents = self.parents().into_iter();
        let entries = parents.filter_map(|p| std::fs::read_dir(p).ok());
        let dirs = entries.flatten().flatten().filter(|e| e.path().is_dir());
        let names = dirs.filter_map(|e| e.file_name().into_string().ok());
        names.filter(|name| name != "shims").collect()
    }

    /// Container and pid of each shim.
    fn shims(&self) -> Vec<(String, i32)> {
        let read = |parent: PathBuf| std::fs::read_to_string(parent.join("shims/cgroup.procs"));
        let texts = self.parents().into_iter().filter_map(|p| read(p).ok());
        let pids: BTreeSet<i32> = texts
            .flat_map(|text| {
                text.lines()
                    .filter_map(|l| l.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        let argument = |pid: i32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let id = line.split('\0').nth(1).filter(|id| !id.is_empty())?;
            Some((id.to_owned(), pid))
        };
        pids.into_iter().filter_map(argument).collect()
    }

    fn links(&self) -> usize {
        let bridge = self.name.replace("bulkhead-", "bh-");
        let links = std::fs::read_dir(format!("/sys/class/net/{bridge}/brif"));
        links.map_or(0, Iterator::count)
    }

    fn ports(&self) -> usize {
        let list = std::process::Command::new("nft")
            .args(["list", "map", "ip", &self.name, "published_any"])
            .output();
        let text = list.map(|l| String::from_utf8_lossy(&l.stdout).into_owned());
        text.map_or(0, |text| text.matches("comment").count())
    }

    fn mounts(&self) -> usize {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let folder = self.folder.to_string_lossy().into_owned();
        table.lines().filter(|line| line.contains(&folder)).count()
    }

    /// State folders, snapshots, volumes and runtime folders.
    pub(crate) fn folders(&self, daemon: &Daemon) -> BTreeSet<PathBuf> {
        let data = daemon.folder().join("data");
        let all = [
            data.join("containers"),
            data.join("storage/overlay/snapshots"),
            data.join("volumes"),
            daemon.folder().join("exec/shims"),
        ];
        all.iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flat_map(|entries| entries.flatten().map(|e| e.path()))
            .collect()
    }

    /// Kills a shim, not the lasting container's; whether there was one.
    pub(crate) fn kill_a_shim(&self, choice: u64) -> bool {
        let mut shims = self.shims();
        shims.retain(|(id, _)| *id != self.lasting);
        let count = shims.len() as u64;
        count > 0 && end(shims[(choice % count) as usize].1)
    }
}

/// Kills the runner of a daemon; whether there was one.
pub(crate) fn kill_runner(daemon: u32) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let runner = pids.into_iter().find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((head, tail)) = stat.rsplit_once(") ") else {
            return false;
        };
        let parent = tail.split(' ').nth(1);
        head.contains("(bulkhead-sand") && parent == Some(daemon.to_string().as_str())
    });
    runner.is_some_and(end)
}

fn end(pid: i32) -> bool {
    kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
}
