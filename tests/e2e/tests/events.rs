//! Events, lists, disk usage and prunes as clients see them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use bulkhead_test_support::{Daemon, images};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn events_are_replayed_then_followed_until_the_moment_asked_for() {
    let daemon = with_busybox();
    let mut follower = daemon
        .docker_command(&[
            "events",
            "--format",
            "{{.Action}}",
            "--filter",
            "container=web",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // The client has subscribed when the daemon counts it.
    bulkhead_test_support::wait_until(|| {
        daemon.request("GET", "/info").json()["NEventsListener"] == 1
    });
    daemon
        .docker(&["run", "--name", "web", "busybox", "true"])
        .success();
    let live: Vec<String> = lines.by_ref().map_while(Result::ok).take(3).collect();
    assert_eq!(live[0], "create");
    assert!(live.contains(&"start".to_owned()), "{live:?}");
    follower.kill().unwrap();
    follower.wait().unwrap();
    bulkhead_test_support::wait_until(|| {
        daemon.request("GET", "/info").json()["NEventsListener"] == 0
    });
    daemon.docker(&["rm", "web"]).success();
    daemon.docker(&["rmi", "busybox"]).success();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let target = format!(
        "/events?since=1&until={}.{:09}",
        now.as_secs(),
        now.subsec_nanos()
    );
    let answer = daemon.request("GET", &target).text();
    let replayed: Vec<String> = answer
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| format!("{} {}", event["Type"], event["Action"]).replace('"', ""))
        .collect();
    for line in [
        "image pull",
        "container create",
        "container start",
        "container die",
        "container destroy",
        "image untag",
        "image delete",
    ] {
        assert!(replayed.iter().any(|l| l == line), "{line}: {replayed:?}");
    }
}

#[test]
fn lists_sizes_usage_and_prunes() {
    let daemon = with_busybox();
    let run = |arguments: &[&str]| {
        daemon
            .docker(&[&["run", "-d"], arguments].concat())
            .success()
    };
    run(&[
        "--name",
        "first",
        "-l",
        "k=1",
        "busybox",
        "sh",
        "-c",
        "echo 12345 > /f; exit 3",
    ]);
    run(&["--name", "second", "busybox", "sleep", "1000"]);
    daemon.docker(&["wait", "first"]).success();
    let names = |filter: &str| {
        let listed = daemon.docker(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]);
        listed.success().replace('\n', " ")
    };
    for (filter, found) in [
        ("exited=3", "first "),
        ("status=running", "second "),
        ("before=second", "first "),
        ("since=first", "second "),
        ("ancestor=busybox", "second first "),
        ("label=k=1", "first "),
        ("name=^/?fir", "first "),
        ("health=none", "second first "),
        ("network=bridge", "second first "),
    ] {
        assert_eq!(names(filter), found, "{filter}");
    }
    let sized = daemon
        .request("GET", "/containers/first/json?size=1")
        .json();
    assert_eq!(sized["SizeRw"], 6, "{sized}");
    let old = daemon.request("GET", "/v1.41/system/df").json();
    assert_eq!(old["Images"][0]["Containers"], 2);
    assert_eq!(old["LayersSize"], old["Images"][0]["VirtualSize"]);
    let new = daemon.request("GET", "/v1.53/system/df").json();
    assert_eq!(new["ContainerUsage"]["ActiveCount"], 1, "{new}");
    assert!(new.get("Images").is_none());
    let pruned = daemon.docker(&["container", "prune", "-f"]).success();
    assert!(pruned.contains("Total reclaimed space: 6B"), "{pruned}");
    assert_eq!(names("name=."), "second ");
    daemon.docker(&["rm", "-f", "second"]).success();
    let pruned = daemon.docker(&["system", "prune", "-af"]).success();
    assert!(pruned.contains("untagged: busybox:latest"), "{pruned}");
    assert_eq!(daemon.docker(&["images", "-q"]).success(), "");
}

#[test]
fn a_login_is_tried_at_its_registry() {
    let daemon = Daemon::start();
    let login = ["login", "-u", "u", "-p", "p", "127.0.0.1:1"];
    let said = daemon.docker(&login).failure(1);
    assert!(said.contains("connection refused"), "{said}");
}
