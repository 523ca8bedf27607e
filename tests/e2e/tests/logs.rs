//! Logs: where following ends, and what a big one costs.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulkhead_test_support::{Daemon, images, run_with_input, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn talking(daemon: &Daemon) {
    let script = "while :; do echo tick; sleep 0.05; done";
    let run = [
        "run", "-d", "--name", "clock", "busybox", "sh", "-c", script,
    ];
    daemon.docker(&run).success();
    wait_until(|| daemon.docker(&["logs", "clock"]).success().contains("tick"));
}

#[test]
fn following_ends_at_the_time_that_was_named() {
    let daemon = with_busybox();
    talking(&daemon);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let until = (now + Duration::from_secs(1)).as_secs_f64().to_string();
    let follow = ["logs", "-f", "-t", "--until", &until, "clock"];
    let mut follow = daemon.docker_command(&follow);
    let shown = run_with_input(&mut follow, b"", LIMIT).success();
    let end = UNIX_EPOCH + Duration::from_secs_f64(until.parse().unwrap());
    let end = humantime::format_rfc3339_nanos(end).to_string();
    let last = shown.lines().last().unwrap();
    // Of the same length, times are in order as texts are.
    assert!(
        last.split(' ').next().unwrap() <= end.as_str(),
        "{last} after {end}"
    );
    let state = daemon.docker(&["inspect", "-f", "{{.State.Status}}", "clock"]);
    assert_eq!(state.success(), "running\n");
}

#[test]
fn following_ends_with_a_container_that_is_removed() {
    let daemon = with_busybox();
    talking(&daemon);
    let mut followers: Vec<_> = [
        daemon.docker_command(&["logs", "-f", "clock"]),
        daemon.bulkhead_command(&["logs", "-f", "--tail", "0", "clock"]),
    ]
    .into_iter()
    .map(|mut command| std::thread::spawn(move || run_with_input(&mut command, b"", LIMIT)))
    .collect();
    let open_logs = || {
        let links = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
        let names = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        names
            .filter(|name| name.to_string_lossy().contains("-json.log"))
            .count()
    };
    wait_until(|| open_logs() >= 2);
    daemon.docker(&["rm", "-f", "clock"]).success();
    for follower in followers.drain(..) {
        follower.join().unwrap().success();
    }
    wait_until(|| open_logs() == 0);
}

/// What the daemon has read so far, bytes, and the most memory it has held, KiB.
fn costs(daemon: &Daemon) -> (u64, u64) {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line
            .and_then(|line| line.split_whitespace().next())
            .map(str::parse);
        value.unwrap().unwrap()
    };
    (field("io", "rchar:"), field("status", "VmHWM:"))
}

#[test]
fn the_end_of_a_big_log_costs_no_more_than_that_of_a_small_one() {
    const SIZE: usize = 200 << 20;
    let daemon = with_busybox();
    let run = ["run", "--name", "big", "busybox", "echo", "first"];
    daemon.docker(&run).success();
    let path = daemon
        .docker(&["inspect", "-f", "{{.LogPath}}", "big"])
        .success();
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(path.trim())
        .unwrap();
    let text = "x".repeat(200);
    let line = |nth: usize| {
        format!(
            "{{\"log\":\"{nth} {text}\\n\",\"stream\":\"stdout\",\"time\":\"2030-01-01T00:00:00Z\"}}\n"
        )
    };
    let lines = 1000;
    let piece: String = (0..lines).map(line).collect();
    (0..SIZE / piece.len()).for_each(|_| log.write_all(piece.as_bytes()).unwrap());
    drop(log);
    let (read, held) = costs(&daemon);
    let tail = daemon.docker(&["logs", "--tail", "10", "big"]).success();
    let (read_after, held_after) = costs(&daemon);
    let numbers: Vec<_> = tail.lines().map(|l| l.split(' ').next().unwrap()).collect();
    let wanted: Vec<_> = (lines - 10..lines).map(|n| n.to_string()).collect();
    assert_eq!(numbers, wanted);
    assert!(
        read_after - read < 4 << 20,
        "{} bytes read",
        read_after - read
    );
    assert!(
        held_after - held < 16 << 10,
        "{} KiB more",
        held_after - held
    );
}
