//! What running containers use, are held to, and wrote, with Docker's client.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn run(daemon: &Daemon, arguments: &[&str]) {
    daemon
        .docker(&[&["run", "-d"], arguments].concat())
        .success();
}

fn usage(daemon: &Daemon, name: &str) -> serde_json::Value {
    let target = format!("/containers/{name}/stats?stream=0");
    let answer = daemon.request("GET", &target);
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn a_container_is_counted_paused_and_changed_while_it_runs() {
    let daemon = with_busybox();
    let busy = "while :; do :; done";
    run(
        &daemon,
        &["--name", "busy", "-m", "64m", "busybox", "sh", "-c", busy],
    );
    let before = usage(&daemon, "busy");
    assert_eq!(before["memory_stats"]["limit"], 64 << 20);
    assert_eq!(before["pids_stats"]["current"], 1);
    assert!(
        before["networks"]["eth0"]["rx_bytes"].is_u64(),
        "{before:#}"
    );
    let total = |v: &serde_json::Value, of: &str| v[of]["cpu_usage"]["total_usage"].as_u64();
    assert!(total(&before, "cpu_stats") > total(&before, "precpu_stats"));
    let listed = daemon.docker(&["top", "busy", "-o", "pid,args"]).success();
    assert!(
        listed.lines().count() == 2 && listed.contains(busy),
        "{listed}"
    );

    daemon.docker(&["pause", "busy"]).success();
    let frozen = usage(&daemon, "busy");
    assert_eq!(total(&frozen, "cpu_stats"), total(&frozen, "precpu_stats"));
    daemon.docker(&["unpause", "busy"]).success();

    let limits = ["-m", "1g", "--memory-swap", "1g", "--pids-limit", "9"];
    daemon
        .docker(&[&["update"], &limits[..], &["busy"]].concat())
        .success();
    let after = usage(&daemon, "busy");
    assert_eq!(after["memory_stats"]["limit"], 1 << 30);
    assert_eq!(after["pids_stats"]["limit"], 9);
    let format = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}";
    let told = daemon.docker(&["inspect", "-f", format, "busy"]).success();
    assert_eq!(told.trim(), "1073741824 9");

    daemon.docker(&["kill", "busy"]).success();
    let wait = Instant::now() + Duration::from_secs(60);
    while usage(&daemon, "busy")["pids_stats"] != serde_json::json!({}) {
        assert!(Instant::now() < wait);
    }
    daemon.docker(&["top", "busy"]).failure(1);
}

#[test]
fn logs_are_followed_through_rotations_whatever_the_driver() {
    let daemon = with_busybox();
    let script =
        "for i in $(seq 3000); do echo line $i; [ $((i % 100)) = 0 ] && usleep 20000; done; true";
    for driver in ["json-file", "local"] {
        let options = ["max-size=20k", "max-file=30", "compress=true"];
        let mut arguments = vec!["--name", driver, "--log-driver", driver];
        arguments.extend(options.iter().flat_map(|option| ["--log-opt", option]));
        arguments.extend(["busybox", "sh", "-c", script]);
        run(&daemon, &arguments);
        let expected: String = (1..=3000).map(|n| format!("line {n}\n")).collect();
        assert_eq!(daemon.docker(&["logs", "-f", driver]).success(), expected);
        assert_eq!(daemon.docker(&["logs", driver]).success(), expected);
        let last = daemon.docker(&["logs", "-n", "1500", driver]).success();
        assert!(last.starts_with("line 1501\n") && last.lines().count() == 1500);
    }
}

#[test]
fn log_options_are_checked_and_details_shown() {
    let daemon = with_busybox();
    let refused = daemon.docker(&["create", "--log-opt", "foo=1", "busybox"]);
    let text = "unknown log opt 'foo' for json-file log driver";
    assert!(refused.stderr.contains(text), "{}", refused.stderr);
    let arguments = [
        "--name",
        "told",
        "-l",
        "a=b",
        "-e",
        "X=d e",
        "--log-opt",
        "labels=a",
    ];
    let more = ["--log-opt", "env=X", "busybox", "printf", "\\377\\n"];
    run(&daemon, &[&arguments[..], &more].concat());
    daemon.docker(&["wait", "told"]).success();
    let shown = daemon.docker(&["logs", "--details", "told"]).success();
    assert_eq!(shown, "X=d+e,a=b \u{fffd}\n");
    run(
        &daemon,
        &["--name", "mute", "--log-driver", "none", "busybox", "true"],
    );
    let refused = daemon.docker(&["logs", "mute"]);
    assert!(refused.stderr.contains("does not support reading"));
}

/// A client that follows what a container uses.
fn follow(daemon: &Daemon, name: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let limit = Some(Duration::from_secs(120));
    stream.set_read_timeout(limit).unwrap();
    write!(
        stream,
        "GET /containers/{name}/stats HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    BufReader::new(stream)
}

/// A number of a process's status (proc_pid_status(5)); memory in KiB.
fn status(daemon: &Daemon, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[test]
fn a_hundred_containers_are_followed_by_two_clients_each_at_little_cost() {
    let daemon = with_busybox();
    let names: Vec<String> = (0..100).map(|n| format!("c{n:02}")).collect();
    for name in &names {
        let flags = ["--name", name, "--network", "none", "--log-driver", "none"];
        run(
            &daemon,
            &[&flags[..], &["busybox", "sleep", "1000"]].concat(),
        );
    }
    let before = status(&daemon, "VmRSS:");
    let mut clients: Vec<_> = (names.iter().chain(&names))
        .map(|name| follow(&daemon, name))
        .collect();
    for client in &mut clients {
        let mut samples = 0;
        while samples < 2 {
            let mut line = String::new();
            assert!(client.read_line(&mut line).unwrap() > 0, "the stream ended");
            samples += usize::from(line.contains("\"pids_stats\":{\"current\":1"));
        }
    }
    let grown = status(&daemon, "VmRSS:").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for 200 clients");
    let threads = status(&daemon, "Threads:");
    assert!(threads < 200, "{threads} threads for 100 containers");
    drop(clients);
    daemon
        .docker(
            &[
                &["rm", "-f"],
                &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
            ]
            .concat(),
        )
        .success();
}
