//! Storage driver btrfs in a pool: a Btrfs in a file, on a loop device that
//! goes when nobody uses it.

use std::process::Command;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, binary, images, release_dir};
use serde_json::{Value, json};

/// Loop devices go when the kernel has time.
const PATIENCE: Duration = Duration::from_secs(60);

fn daemon() -> Daemon {
    let daemon = Daemon::builder()
        .storage_driver("btrfs")
        .argument("--storage-opt=btrfs.pool_size=2G")
        .start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

/// The loop devices whose file is the daemon's.
fn devices(daemon: &Daemon) -> Vec<String> {
    let folder = daemon.folder().to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/sys/block").unwrap().flatten();
    let loops = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("loop"));
    let files =
        loops.filter_map(|e| std::fs::read_to_string(e.path().join("loop/backing_file")).ok());
    files.filter(|file| file.starts_with(&folder)).collect()
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    let answer = daemon.request("GET", &format!("/containers/{name}/json"));
    answer.json()
}

#[test]
fn a_container_changes_restarts_and_goes_on_btrfs() {
    let daemon = daemon();
    let change = "echo mine > /etc/mine; rm /bin/sleep; mkdir /made";
    daemon
        .bulkhead(&["run", "--name", "box", "busybox", "sh", "-c", change])
        .success();
    let changes = daemon.bulkhead(&["diff", "box"]).success();
    let mut lines: Vec<&str> = changes.lines().collect();
    lines.sort_unstable();
    let expected = ["A /etc/mine", "A /made", "C /bin", "C /etc", "D /bin/sleep"];
    assert_eq!(lines, expected);
    daemon.bulkhead(&["start", "-a", "box"]);
    let copied = daemon.bulkhead(&["cp", "box:/etc/mine", "-"]).success();
    assert!(copied.contains("mine"), "{copied}");
    let other = daemon
        .bulkhead(&["run", "--rm", "busybox", "ls", "/bin/sleep", "/etc"])
        .success();
    assert!(!other.contains("mine"), "{other}");
    daemon.bulkhead(&["rm", "box"]).success();
    assert_eq!(devices(&daemon).len(), 1);
}

#[test]
fn containers_outlive_a_killed_daemon_and_the_next_one_finds_the_pool() {
    let mut daemon = daemon();
    let run = [
        "run", "-d", "--name", "lasting", "busybox", "sleep", "100000",
    ];
    daemon.bulkhead(&run).success();
    let write = "echo before > /file";
    daemon
        .bulkhead(&["exec", "lasting", "sh", "-c", write])
        .success();
    let pid = inspect(&daemon, "lasting")["State"]["Pid"].clone();
    let before = devices(&daemon);
    assert_eq!(before.len(), 1);
    daemon.kill();
    assert_eq!(devices(&daemon), before, "the container holds the pool");
    daemon.start_again();
    assert_eq!(devices(&daemon), before, "one device for one file");
    assert_eq!(inspect(&daemon, "lasting")["State"]["Pid"], pid);
    let read = daemon
        .bulkhead(&["exec", "lasting", "cat", "/file"])
        .success();
    assert_eq!(read, "before\n");
    daemon
        .bulkhead(&["run", "--rm", "busybox", "true"])
        .success();
    let copied = daemon.bulkhead(&["cp", "lasting:/file", "-"]).success();
    assert!(copied.contains("before"), "the same files");
    daemon.bulkhead(&["rm", "-f", "lasting"]).success();
    daemon.stop();
    let until = Instant::now() + PATIENCE;
    while !devices(&daemon).is_empty() {
        assert!(Instant::now() < until, "{:?} stays", devices(&daemon));
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.start_again();
    daemon
        .bulkhead(&["run", "--rm", "busybox", "true"])
        .success();
}

#[test]
fn a_container_has_the_size_it_asked_for_and_no_more() {
    let daemon = daemon();
    let fill = "dd if=/dev/zero of=/fill bs=1M count=64";
    let limited = ["run", "--storage-opt", "size=16M", "--name", "small"];
    let full = daemon.bulkhead(&[&limited[..], &["busybox", "sh", "-c", fill]].concat());
    assert!(full.status != Some(0));
    assert!(full.stderr.contains("quota exceeded"), "{}", full.stderr);
    let options = &inspect(&daemon, "small")["HostConfig"]["StorageOpt"];
    assert_eq!(*options, json!({ "size": "16M" }));
    daemon
        .bulkhead(&["run", "--rm", "busybox", "sh", "-c", fill])
        .success();
    daemon.bulkhead(&["rm", "small"]).success();
}

#[test]
fn another_driver_keeps_every_image_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    let use_driver = |settings: Value| std::fs::write(&file, settings.to_string()).unwrap();
    use_driver(json!({
        "storage-driver": "btrfs",
        "storage-opts": ["btrfs.pool_size=2G"],
    }));
    let mut daemon = Daemon::builder()
        .argument("--config-file")
        .argument(file.to_str().unwrap())
        .start();
    daemon.load("busybox:latest", &images::busybox());
    let info = daemon.request("GET", "/info").json();
    assert_eq!(info["Driver"], "btrfs");
    let rows = info["DriverStatus"].to_string();
    assert!(
        rows.contains("pool.img") && rows.contains("Data Space Total"),
        "{rows}"
    );
    daemon
        .bulkhead(&["create", "--name", "old", "busybox", "cat", "/etc/passwd"])
        .success();
    daemon.stop();
    use_driver(json!({ "storage-driver": "vfs" }));
    daemon.start_again();
    assert!(
        daemon.log().contains("is vfs now and was btrfs"),
        "{}",
        daemon.log()
    );
    daemon
        .bulkhead(&["run", "--rm", "busybox", "true"])
        .success();
    daemon.bulkhead(&["start", "-a", "old"]).success();
    daemon.stop();
    use_driver(json!({}));
    daemon.start_again();
    let info = daemon.request("GET", "/info").json();
    assert_eq!(info["Driver"], "vfs", "auto takes the one of last time");
    daemon.bulkhead(&["rm", "old"]).success();
}

#[test]
fn what_a_driver_cannot_use_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (option, said) in [
        ("btrfs.nonsense=1", "unknown option btrfs.nonsense"),
        ("btrfs.pool_size=1k", "a pool of 1024 bytes"),
        ("nobody.knows=1", "no plugin provides the storage driver"),
    ] {
        let ended = Command::new(binary("bulkheadd"))
            .arg("--data-root")
            .arg(folder.path().join("data"))
            .arg("--exec-root")
            .arg(folder.path().join("exec"))
            .arg("--component-cache")
            .arg(release_dir().join("component-cache"))
            .arg("--host")
            .arg(format!("unix://{}/socket", folder.path().display()))
            .args(["--storage-driver", "btrfs", "--storage-opt", option])
            .output()
            .unwrap();
        assert!(!ended.status.success(), "{option}");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains(said), "{option}: {told}");
    }
}
