//! What a daemon left behind, told by the folder that was its own.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long what was told to end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the kernel may take to clear a loop device.
const DEVICE_PATIENCE: Duration = Duration::from_secs(60);

/// Mounts below `folder`, loop devices of its files and processes that have to
/// do with it, as lines for people; mounts and processes are taken down on the way.
pub(crate) fn sweep(folder: &Path) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    while !(processes(folder).is_empty() && mounts(folder).is_empty()) && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut left: Vec<String> = processes(folder)
        .into_iter()
        .map(|pid| format!("process {pid}: {}", command_line(pid)))
        .collect();
    for pid in processes(folder) {
        // It may have ended since it was listed.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    left.extend(lasting_devices(folder));
    // The newest mounts cover older ones.
    for point in mounts(folder).into_iter().rev() {
        let umount = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&point)
            .status();
        left.push(format!("mount {point} ({umount:?})"));
    }
    left
}

/// Loop devices go by themselves with their last user, when the kernel has time.
fn lasting_devices(folder: &Path) -> Vec<String> {
    let deadline = Instant::now() + DEVICE_PATIENCE;
    loop {
        let found = devices(folder);
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn devices(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten();
    let backing = |path: std::path::PathBuf| std::fs::read_to_string(path).ok();
    let files = entries.filter_map(|entry| backing(entry.path().join("loop/backing_file")));
    files
        .filter(|file| Path::new(file.trim()).starts_with(folder))
        .map(|file| format!("loop device of {}", file.trim()))
        .collect()
}

fn mounts(folder: &Path) -> Vec<String> {
    let info = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = info.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|point| Path::new(point).starts_with(folder))
        .map(str::to_owned)
        .collect()
}

fn processes(folder: &Path) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own && belongs(*pid, folder))
        .collect()
}

/// A daemon or runner by its arguments, a shim by the log it writes.
/// A container's processes end with their shim.
fn belongs(pid: i32, folder: &Path) -> bool {
    let name = folder.to_string_lossy();
    if command_line(pid).contains(&*name) {
        return true;
    }
    let links = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let mut open = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    // The shim runs from a memfd, which the kernel calls `memfd:bulkhead-…`.
    comm(pid).contains("bulkhead") && open.any(|file| file.starts_with(folder))
}

fn comm(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
