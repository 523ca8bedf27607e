//! Stopping a container's processes where they are, and letting them go on.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, poll};

use super::write;

/// How long processes may take to stop. One that waits for a disk or for a
/// network filesystem that is gone cannot stop at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a version 1 freezer is looked at: it tells nobody.
const LOOK: Duration = Duration::from_millis(2);

/// Freezes every process in a cgroup and in those below it, and waits until
/// they are. When they don't stop in time, they all go on.
///
/// Version 2 (kernel `cgroup-v2.rst`, `cgroup.freeze`): frozen processes can
/// be killed. Version 1 (`cgroup-v1/freezer-subsystem.rst`): they die of a
/// signal only once they are thawed.
///
/// # Errors
/// `TimedOut` when a process does not stop; the cgroup is gone, or is no freezer.
pub(super) fn freeze(cgroup: &OwnedFd, patience: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + patience;
    let frozen = match write(cgroup, "cgroup.freeze", "1") {
        Ok(()) => await_event(cgroup, deadline),
        Err(e) if e.io_kind() == io::ErrorKind::NotFound => freeze_v1(cgroup, deadline),
        Err(e) => Err(e),
    };
    if frozen.is_err() {
        // The first failure is the one to tell; a cgroup that is gone needs none.
        let _ = thaw(cgroup);
    }
    frozen
}

/// Lets every process go on.
///
/// # Errors
/// The cgroup is gone, or is no freezer.
pub(super) fn thaw(cgroup: &OwnedFd) -> Result<(), Error> {
    match write(cgroup, "cgroup.freeze", "0") {
        Err(e) if e.io_kind() == io::ErrorKind::NotFound => {
            write(cgroup, "freezer.state", "THAWED")
        }
        other => other,
    }
}

/// Whether processes in the cgroup are, or are about to be, frozen.
pub(super) fn is_frozen(cgroup: &OwnedFd) -> bool {
    let lacks = |file: &'static str, line: &str| {
        let opened = open_beneath(cgroup, file, OFlag::O_RDONLY, 0).map(File::from);
        opened.is_ok_and(|opened| has_line(&opened, file, line).is_ok_and(|has| !has))
    };
    lacks("cgroup.freeze", "0") || lacks("freezer.state", "THAWED")
}

/// The kernel wakes those that poll `cgroup.events` for priority data.
fn await_event(cgroup: &OwnedFd, deadline: Instant) -> Result<(), Error> {
    loop {
        // A fresh descriptor has not seen any event yet; its first read arms it.
        let file = File::from(open_beneath(cgroup, "cgroup.events", OFlag::O_RDONLY, 0)?);
        if has_line(&file, "cgroup.events", "frozen 1")? {
            return Ok(());
        }
        let left = remaining(deadline, "cgroup.freeze")?;
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
        poll::wait(&[(file.as_fd(), poll::Events::POLLPRI)], Some(millis))?;
    }
}

fn freeze_v1(cgroup: &OwnedFd, deadline: Instant) -> Result<(), Error> {
    loop {
        // Written each time: a process that was forked meanwhile is only
        // caught by the next round.
        write(cgroup, "freezer.state", "FROZEN")?;
        let file = File::from(open_beneath(cgroup, "freezer.state", OFlag::O_RDONLY, 0)?);
        if has_line(&file, "freezer.state", "FROZEN")? {
            return Ok(());
        }
        std::thread::sleep(remaining(deadline, "freezer.state")?.min(LOOK));
    }
}

fn has_line(mut file: &File, name: &'static str, wanted: &str) -> Result<bool, Error> {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    read.map_err(|e| Error::new("read", name, e))?;
    Ok(text.lines().any(|line| line == wanted))
}

fn remaining(deadline: Instant, name: &'static str) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::new("write", name, io::ErrorKind::TimedOut));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};

    use bulkhead_sys::path::open_host_dir;

    use super::*;

    /// A cgroup of its own in each hierarchy that can freeze.
    struct Frozen {
        path: PathBuf,
        child: Child,
    }

    impl Frozen {
        fn all(name: &str) -> Vec<Self> {
            let hierarchies = super::super::hierarchy::find().unwrap();
            let can = |h: &&super::super::Hierarchy| {
                h.version == super::super::Version::Two || h.has("freezer")
            };
            let paths = hierarchies.iter().filter(can).map(|h| {
                h.mount
                    .join(format!("bulkhead-test-{name}-{}", std::process::id()))
            });
            paths.map(Self::new).collect()
        }

        /// With a process that counts, and a child of it in a cgroup below.
        fn new(path: PathBuf) -> Self {
            std::fs::create_dir(&path).unwrap();
            std::fs::create_dir(path.join("below")).unwrap();
            let script = format!(
                "echo $$ > {0}/cgroup.procs; sh -c 'echo $$ > {0}/below/cgroup.procs; exec sleep 60' & \
                 while :; do :; done",
                path.display()
            );
            let child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
            let entered = |p: &Path| {
                std::fs::read_to_string(p.join("cgroup.procs")).is_ok_and(|t| !t.is_empty())
            };
            let until = Instant::now() + Duration::from_secs(5);
            while !(entered(&path) && entered(&path.join("below"))) {
                assert!(Instant::now() < until);
                std::thread::sleep(LOOK);
            }
            Self { path, child }
        }

        fn dir(&self) -> OwnedFd {
            open_host_dir(&self.path).unwrap()
        }

        fn cpu_time(&self) -> String {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
            stat.split(' ')
                .skip(13)
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        }
    }

    impl Drop for Frozen {
        fn drop(&mut self) {
            let _ = super::super::kill(self.dir());
            let _ = self.child.wait();
            let parent = open_host_dir(self.path.parent().unwrap()).unwrap();
            let name = self.path.file_name().unwrap().to_str().unwrap();
            super::super::kill::remove(&parent, name).unwrap();
        }
    }

    #[test]
    fn frozen_processes_use_no_time_until_they_are_thawed() {
        for cgroup in Frozen::all("freeze") {
            let dir = cgroup.dir();
            freeze(&dir, PATIENCE).unwrap();
            let before = cgroup.cpu_time();
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(cgroup.cpu_time(), before, "{:?}", cgroup.path);
            thaw(&dir).unwrap();
            let until = Instant::now() + Duration::from_secs(5);
            while cgroup.cpu_time() == before {
                assert!(Instant::now() < until, "{:?}", cgroup.path);
            }
        }
    }

    #[test]
    fn a_frozen_container_can_be_killed() {
        for mut cgroup in Frozen::all("killed") {
            freeze(&cgroup.dir(), PATIENCE).unwrap();
            super::super::kill(cgroup.dir()).unwrap();
            assert!(!cgroup.child.wait().unwrap().success());
        }
    }

    #[test]
    fn an_empty_cgroup_is_frozen_at_once() {
        for mut cgroup in Frozen::all("empty") {
            super::super::kill(cgroup.dir()).unwrap();
            cgroup.child.wait().unwrap();
            freeze(&cgroup.dir(), PATIENCE).unwrap();
        }
    }
}
