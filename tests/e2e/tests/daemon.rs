//! The daemon's own life: containers outlive it, bad starts say why.

use std::path::Path;
use std::process::Command;

use bulkhead_test_support::{Daemon, images, wait_until};

#[test]
fn containers_outlive_a_killed_daemon_and_their_ends_are_recorded() {
    let mut daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let lasting = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done";
    daemon
        .bulkhead(&[
            "run", "-d", "--name", "lasting", "busybox", "sh", "-c", lasting,
        ])
        .success();
    let ending = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    daemon
        .bulkhead(&[
            "run", "-d", "--name", "ending", "busybox", "sh", "-c", ending,
        ])
        .success();
    wait_until(|| daemon.bulkhead(&["logs", "ending"]).success() == "ready\n");
    let inspected = |daemon: &Daemon, name: &str| -> serde_json::Value {
        let text = daemon.bulkhead(&["inspect", name]).success();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].clone()
    };
    let pid = |daemon: &Daemon, name: &str| inspected(daemon, name)["State"]["Pid"].to_string();
    let (before, ends) = (pid(&daemon, "lasting"), pid(&daemon, "ending"));
    let log = inspected(&daemon, "lasting")["LogPath"].clone();
    let lines = || {
        let text = std::fs::read_to_string(log.as_str().unwrap()).unwrap();
        text.lines().count()
    };
    daemon.kill();
    let written = lines();
    let kill = Command::new("kill").args(["-TERM", &ends]).status();
    assert!(kill.unwrap().success());
    // Nobody but the shims writes now.
    wait_until(|| lines() > written + 15 && !Path::new("/proc").join(&ends).exists());
    daemon.start_again();
    assert_eq!(pid(&daemon, "lasting"), before);
    assert_eq!(daemon.bulkhead(&["wait", "ending"]).success(), "5\n");
    let logged = daemon.bulkhead(&["logs", "lasting"]).success();
    let numbers: Vec<usize> = logged.lines().map(|l| l.parse().unwrap()).collect();
    assert!(numbers.len() > written + 15, "the log was cut: {numbers:?}");
    assert!(
        numbers.iter().enumerate().all(|(i, n)| i == *n),
        "a line was lost: {numbers:?}"
    );
    daemon.bulkhead(&["stop", "-t", "0", "lasting"]).success();
}

#[test]
fn several_daemons_do_not_touch_each_other() {
    let (one, other) = (Daemon::start(), Daemon::start());
    for daemon in [&one, &other] {
        daemon.load("busybox:latest", &images::busybox());
        daemon
            .bulkhead(&["run", "-d", "--name", "same", "busybox", "sleep", "1000"])
            .success();
    }
    one.bulkhead(&["rm", "-f", "same"]).success();
    assert!(other.bulkhead(&["ps"]).success().contains("same"));
    assert_eq!(
        other
            .bulkhead(&["run", "--rm", "busybox", "echo", "still"])
            .success(),
        "still\n"
    );
}

#[test]
fn malformed_requests_get_a_status_and_a_sentence() {
    let daemon = Daemon::start();
    let bad = daemon.send(
        "POST",
        "/v1.41/containers/create",
        "application/json",
        b"{\"Image\":",
    );
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("invalid JSON"), "{}", bad.text());
    let wrong = daemon.send(
        "POST",
        "/containers/create",
        "application/json",
        br#"{"Image":"x","HostConfig":{"Memory":"much"}}"#,
    );
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.text().contains("HostConfig.Memory"),
        "{}",
        wrong.text()
    );
    assert_eq!(daemon.request("GET", "/v1.99/info").status, 400);
    assert_eq!(daemon.request("GET", "/nowhere").status, 404);
    assert_eq!(daemon.request("GET", "/containers/none/json").status, 404);
    let huge = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(
        daemon
            .send("POST", "/containers/create", "application/json", &huge)
            .status,
        413
    );
    let missing = daemon.request_json(
        "POST",
        "/containers/create",
        &serde_json::json!({"Image": "none"}),
    );
    assert_eq!(
        (missing.status, missing.json()["message"].as_str()),
        (404, Some("No such image: none:latest"))
    );
}
