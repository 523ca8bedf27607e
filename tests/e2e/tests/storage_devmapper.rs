//! Storage driver devmapper: a block device per container, on kernels without
//! thin pools a file that shares extents with its layer's.

use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images};
use serde_json::Value;

/// Loop devices go when the kernel has time.
const PATIENCE: Duration = Duration::from_secs(60);

fn with(options: &[&str]) -> Daemon {
    let builder = Daemon::builder()
        .storage_driver("devmapper")
        .argument("--storage-opt=dm.backend=reflink")
        .argument("--storage-opt=dm.basesize=64M");
    let options = options
        .iter()
        .map(|option| format!("--storage-opt={option}"));
    let daemon = options
        .fold(builder, |builder, option| builder.argument(&option))
        .start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn daemon() -> Daemon {
    with(&["dm.loopdatasize=2G"])
}

/// Files of the loop devices of a daemon: its pool, and the volumes in it.
fn devices(daemon: &Daemon) -> Vec<String> {
    let folder = daemon.folder().to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/sys/block").unwrap().flatten();
    let loops = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("loop"));
    let files =
        loops.filter_map(|e| std::fs::read_to_string(e.path().join("loop/backing_file")).ok());
    let ids = daemon.bulkhead(&["ps", "--all", "--quiet", "--no-trunc"]);
    let ids: Vec<String> = ids.stdout.lines().map(str::to_owned).collect();
    // A volume's path begins at the root of the pool.
    let ours = |file: &String| {
        file.starts_with(&folder) || ids.iter().any(|id| file.contains(id.as_str()))
    };
    files.filter(ours).collect()
}

fn wait_for_devices(daemon: &Daemon, count: usize) {
    let until = Instant::now() + PATIENCE;
    while devices(daemon).len() != count {
        assert!(Instant::now() < until, "{count}: {:?}", devices(daemon));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    let answer = daemon.request("GET", &format!("/containers/{name}/json"));
    answer.json()
}

#[test]
fn a_container_changes_restarts_and_goes_on_a_device_of_its_own() {
    let daemon = daemon();
    let change = "echo mine > /etc/mine; rm /bin/sleep; mkdir /made; ls / | grep lost";
    let run = ["run", "--name", "box", "busybox", "sh", "-c", change];
    let printed = daemon.bulkhead(&run);
    assert_eq!(printed.stdout, "", "a filesystem's own folder shows");
    let changes = daemon.bulkhead(&["diff", "box"]).success();
    let mut lines: Vec<&str> = changes.lines().collect();
    lines.sort_unstable();
    let expected = ["A /etc/mine", "A /made", "C /bin", "C /etc", "D /bin/sleep"];
    assert_eq!(lines, expected);
    daemon.bulkhead(&["start", "-a", "box"]);
    let copied = daemon.bulkhead(&["cp", "box:/etc/mine", "-"]).success();
    assert!(copied.contains("mine"), "{copied}");
    let list = ["run", "--rm", "busybox", "ls", "/bin/sleep", "/etc"];
    let other = daemon.bulkhead(&list).success();
    assert!(!other.contains("mine"), "{other}");
    daemon.bulkhead(&["rm", "box"]).success();
    wait_for_devices(&daemon, 1);
    let info: Value = daemon.request("GET", "/info").json();
    let status = info["DriverStatus"].to_string();
    for text in ["Backend", "share extents", "Base Device Size", "67.11MB"] {
        assert!(status.contains(text), "{text}: {status}");
    }
}

#[test]
fn devices_outlive_a_killed_daemon_and_none_is_left_at_the_end() {
    let mut daemon = daemon();
    let run = ["run", "-d", "--name", "box", "busybox", "sleep", "100000"];
    daemon.bulkhead(&run).success();
    let write = ["exec", "box", "sh", "-c", "echo before > /file"];
    daemon.bulkhead(&write).success();
    let pid = inspect(&daemon, "box")["State"]["Pid"].clone();
    wait_for_devices(&daemon, 2);
    daemon.kill();
    daemon.start_again();
    assert_eq!(devices(&daemon).len(), 2, "one device for one file");
    assert_eq!(inspect(&daemon, "box")["State"]["Pid"], pid);
    let read = ["exec", "box", "cat", "/file"];
    assert_eq!(daemon.bulkhead(&read).success(), "before\n");
    let copied = daemon.bulkhead(&["cp", "box:/file", "-"]).success();
    assert!(copied.contains("before"), "the same files");
    daemon.bulkhead(&["restart", "-t", "0", "box"]).success();
    assert_eq!(daemon.bulkhead(&read).success(), "before\n");
    daemon.bulkhead(&["rm", "-f", "box"]).success();
    wait_for_devices(&daemon, 1);
    daemon.stop();
    let folder = daemon.folder().to_string_lossy().into_owned();
    let until = Instant::now() + PATIENCE;
    let left = || {
        let entries = std::fs::read_dir("/sys/block").unwrap().flatten();
        entries
            .filter_map(|e| std::fs::read_to_string(e.path().join("loop/backing_file")).ok())
            .any(|file| file.starts_with(&folder))
    };
    while left() {
        assert!(Instant::now() < until, "the pool's device stays");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.start_again();
    let run = ["run", "--rm", "busybox", "true"];
    daemon.bulkhead(&run).success();
}

#[test]
fn a_container_is_full_at_its_own_size_and_others_go_on() {
    let daemon = daemon();
    let fill = "dd if=/dev/zero of=/fill bs=1M count=200; stat -c %s /fill";
    let full = |name: &str, options: &[&str]| {
        let run = ["run", "--name", name];
        let rest = ["busybox", "sh", "-c", fill];
        let output = daemon.bulkhead(&[&run[..], options, &rest].concat());
        let text = &output.stderr;
        assert!(text.contains("No space left on device"), "{text}");
        let bytes: u64 = output.stdout.trim().parse().unwrap();
        bytes >> 20
    };
    let base = full("base", &[]);
    assert!((40..64).contains(&base), "{base} MiB");
    let sized = full("sized", &["--storage-opt", "size=128M"]);
    assert!((100..128).contains(&sized), "{sized} MiB");
    let fits = "dd if=/dev/zero of=/fill bs=1M count=20";
    let run = ["run", "--rm", "busybox", "sh", "-c", fits];
    daemon.bulkhead(&run).success();
    let small = ["create", "--storage-opt", "size=16M", "busybox"];
    let refused = daemon.bulkhead(&small).failure(1);
    let text = "Container size cannot be smaller than 67.11MB";
    assert!(refused.contains(text), "{refused}");
    daemon.bulkhead(&["rm", "base", "sized"]).success();
}

#[test]
fn a_nearly_full_pool_takes_no_new_container_and_says_why() {
    let daemon = with(&["dm.loopdatasize=400M", "dm.min_free_space=30%"]);
    let fill = "dd if=/dev/zero of=/fill bs=1M count=40 && sync";
    let mut refused = None;
    let mut made = Vec::new();
    for number in 0..12 {
        let name = format!("c-{number}");
        let run = ["run", "--name", &name, "busybox", "sh", "-c", fill];
        let output = daemon.bulkhead(&run);
        if output.status != Some(0) {
            refused = Some(output.stderr);
            break;
        }
        made.push(name);
    }
    let refused = refused.expect("480 MiB in a pool of 400");
    let text = "which is less than the minimum";
    assert!(refused.contains(text), "{refused}");
    assert!(!made.is_empty());
    let names: Vec<&str> = made.iter().map(String::as_str).collect();
    daemon.bulkhead(&[&["rm"], &names[..]].concat()).success();
    let until = Instant::now() + PATIENCE;
    let run = ["run", "--rm", "busybox", "true"];
    while daemon.bulkhead(&run).status != Some(0) {
        assert!(Instant::now() < until, "room does not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_volume_belongs_to_the_ids_of_a_user_namespace() {
    let daemon = Daemon::builder()
        .storage_driver("devmapper")
        .argument("--storage-opt=dm.loopdatasize=1G")
        .argument("--storage-opt=dm.basesize=64M")
        .userns_remap()
        .start();
    daemon.load("busybox:latest", &images::busybox());
    let script = "echo x > /file && stat -c '%u:%g' /file /bin && cat /proc/self/uid_map";
    let run = ["run", "--name", "box", "busybox", "sh", "-c", script];
    let shown = daemon.bulkhead(&run).success();
    assert!(shown.starts_with("0:0\n0:0\n"), "{shown}");
    let mapped = shown.lines().nth(2).unwrap().split_whitespace().nth(1);
    assert_ne!(mapped, Some("0"), "{shown}");
    assert_eq!(daemon.bulkhead(&["diff", "box"]).success(), "A /file\n");
    daemon.bulkhead(&["rm", "box"]).success();
}
