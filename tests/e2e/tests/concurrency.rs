//! Many at once, and ends in the middle.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::scripted::{Content, head};
use bulkhead_test_support::{Daemon, Image, ScriptedRegistry, Tree, images, wait_until};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn bulky() -> Image {
    let bulk: Vec<u8> = (0..2_000_000u32).flat_map(u32::to_le_bytes).collect();
    images::busybox()
        .layer(Tree::new().file("one", 0o644, &bulk))
        .layer(Tree::new().file("two", 0o644, b"2"))
}

/// What grows with containers: snapshots, folders, mounts, cgroups.
fn traces(daemon: &Daemon) -> Vec<String> {
    let data = daemon.folder().join("data");
    let mut traces = daemon.snapshots();
    for folder in [data.join("containers"), daemon.folder().join("exec/shims")] {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        traces.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let folder = daemon.folder().display().to_string();
    traces.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&folder))
            .map(str::to_owned),
    );
    traces.sort();
    traces
}

#[test]
fn fifty_containers_ten_at_a_time_leave_nothing() {
    let daemon = with_busybox();
    let before = traces(&daemon);
    std::thread::scope(|scope| {
        for worker in 0..10 {
            let daemon = &daemon;
            scope.spawn(move || {
                for turn in 0..5 {
                    let words = format!("{worker}-{turn}");
                    let run = ["run", "--rm", "busybox", "echo", &words];
                    assert_eq!(daemon.bulkhead(&run).success(), format!("{words}\n"));
                }
            });
        }
    });
    assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
    // Files go after the end was answered.
    wait_until(|| traces(&daemon) == before);
}

#[test]
fn parallel_pulls_of_one_image_all_succeed_and_it_runs_on_both_drivers() {
    let registry = ScriptedRegistry::start(Content::of(&bulky()), |_, _| false);
    for driver in ["overlay", "vfs"] {
        let daemon = Daemon::builder().storage_driver(driver).start();
        let reference = registry.reference("same");
        std::thread::scope(|scope| {
            for _ in 0..6 {
                let (daemon, reference) = (&daemon, &reference);
                scope.spawn(move || {
                    let run = [
                        "run",
                        "--rm",
                        reference,
                        "sh",
                        "-c",
                        "cat /two; wc -c < /one",
                    ];
                    assert_eq!(daemon.bulkhead(&run).success(), "28000000\n");
                });
            }
        });
        assert_eq!(
            daemon.bulkhead(&["images", "-q"]).success().lines().count(),
            1
        );
    }
}

#[test]
fn removing_one_image_does_not_disturb_pulls_that_share_its_layers() {
    let one = Content::of(&bulky());
    let other = Content::of(&bulky().layer(Tree::new().file("three", 0o644, b"3")));
    let (one, other) = (
        ScriptedRegistry::start(one, |_, _| false),
        ScriptedRegistry::start(other, |_, _| false),
    );
    let daemon = Daemon::start();
    let (one, other) = (one.reference("one"), other.reference("other"));
    for _ in 0..5 {
        daemon.bulkhead(&["pull", "-q", &one]).success();
        std::thread::scope(|scope| {
            scope.spawn(|| daemon.bulkhead(&["pull", "-q", &other]).success());
            scope.spawn(|| daemon.bulkhead(&["rmi", &one]).success());
        });
        let run = ["run", "--rm", &other, "cat", "/two", "/three"];
        assert_eq!(daemon.bulkhead(&run).success(), "23");
        daemon.bulkhead(&["rmi", &other]).success();
    }
}

/// A registry that stalls in the middle of the second layer, the path of that
/// layer's blob, and the bytes it sends of it.
fn stalling() -> (ScriptedRegistry, String, usize) {
    let content = Content::of(&bulky());
    let (path, bytes) = (
        format!("/blobs/{}", content.layer(1)),
        content.blob(content.layer(1)).to_vec(),
    );
    let half = bytes.len() / 2;
    let stalled = path.clone();
    let registry = ScriptedRegistry::start(content, move |request, stream| {
        let first = request.target.ends_with(&stalled) && request.header("range").is_none();
        if first {
            use std::io::Write;
            head(stream, "200 OK", &[], bytes.len());
            let _ = stream.write_all(&bytes[..half]);
            std::thread::sleep(Duration::from_secs(300));
        }
        first
    });
    (registry, path, half)
}

#[test]
fn a_pull_cut_off_by_the_daemons_end_is_taken_up_where_it_stopped() {
    for kill in [true, false] {
        let (registry, path, half) = stalling();
        let mut daemon = Daemon::start();
        let reference = registry.reference("cut");
        let mut pull = daemon.bulkhead_command(&["pull", &reference]);
        pull.stdout(std::process::Stdio::null());
        pull.stderr(std::process::Stdio::null());
        let mut pull = pull.spawn().unwrap();
        wait_until(|| staged_bytes(&daemon) >= half as u64);
        if kill {
            daemon.kill()
        } else {
            daemon.stop()
        }
        assert!(!pull.wait().unwrap().success());
        daemon.start_again();
        assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
        let before = registry.requests().len();
        daemon.bulkhead(&["pull", "-q", &reference]).success();
        let asked = registry.requests().split_off(before);
        // The small layer below may have been under way, too, or done.
        let bulky = asked.iter().filter(|r| r.target.ends_with(&path));
        let ranges: Vec<_> = bulky.map(|r| r.header("range")).collect();
        assert_eq!(
            ranges,
            [Some(format!("bytes={half}-").as_str())],
            "kill: {kill}: {asked:?}"
        );
    }
}

fn staged_bytes(daemon: &Daemon) -> u64 {
    let staging = std::fs::read_dir(daemon.folder().join("data/staging"));
    let entries = staging.into_iter().flatten().flatten();
    entries.filter_map(|e| Some(e.metadata().ok()?.len())).sum()
}

#[test]
fn containers_outlive_a_stopped_daemon_and_answer_to_the_next() {
    let mut daemon = with_busybox();
    let script = "while read line; do echo got $line; done";
    daemon
        .bulkhead(&[
            "run", "-d", "-i", "--name", "lasting", "busybox", "sh", "-c", script,
        ])
        .success();
    daemon
        .bulkhead(&[
            "run", "-d", "--rm", "--name", "short", "busybox", "sleep", "1000",
        ])
        .success();
    let short = ["inspect", "-f", "{{.State.Pid}}", "short"];
    let short = daemon.bulkhead(&short).success().trim().to_owned();
    daemon.stop();
    let kill = Command::new("kill").args(["-KILL", &short]).status();
    assert!(kill.unwrap().success());
    wait_until(|| !Path::new("/proc").join(&short).exists());
    daemon.start_again();
    let names = ["ps", "-a", "--format", "{{.Names}}"];
    wait_until(|| daemon.bulkhead(&names).success() == "lasting\n");
    let run = ["run", "--rm", "busybox", "echo", "new"];
    assert_eq!(daemon.bulkhead(&run).success(), "new\n");
    daemon.bulkhead(&["stop", "-t", "0", "lasting"]).success();
    daemon.bulkhead(&["rm", "lasting"]).success();
}
