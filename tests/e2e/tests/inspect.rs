//! `inspect` says what Docker's says, value by value.

use bulkhead_test_support::{Daemon, images, wait_until};
use serde_json::{Value, json};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn created(daemon: &Daemon, name: &str, options: &[&str]) -> Value {
    let mut all = vec!["create", "--name", name];
    all.extend(options);
    all.extend(["busybox", "sleep", "1000"]);
    daemon.docker(&all).success();
    daemon
        .request("GET", &format!("/v1.50/containers/{name}/json"))
        .json()
}

#[test]
fn the_configuration_is_what_was_asked_for_over_the_images() {
    let daemon = with_busybox();
    let plain = created(&daemon, "plain", &[]);
    let image = daemon.request("GET", "/v1.50/images/busybox/json").json();
    assert_eq!(plain["Config"]["Env"], image["Config"]["Env"]);
    assert_eq!(plain["Config"]["Volumes"], Value::Null);
    assert_eq!(plain["State"]["Health"], Value::Null);
    let id = plain["Id"].as_str().unwrap();
    assert_eq!(plain["Config"]["Hostname"], json!(&id[..12]));

    let own = ["-e", "A=1", "-e", "NOT_SET_ANYWHERE", "-v", "/data"];
    let own = created(&daemon, "own", &own);
    let env = own["Config"]["Env"].as_array().unwrap();
    // The client sends its own in any order; the image's come after them.
    let mut asked: Vec<&str> = env[..2].iter().map(|e| e.as_str().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["A=1", "NOT_SET_ANYWHERE"]);
    assert!(
        !env.iter()
            .any(|e| e.as_str().unwrap().starts_with("HOSTNAME="))
    );
    assert_eq!(own["Config"]["Volumes"], json!({"/data": {}}));

    // What a process has is more.
    let shown = daemon.docker(&["run", "--rm", "-e", "A=1", "-h", "box", "busybox", "env"]);
    let shown = shown.success();
    for line in ["A=1", "HOSTNAME=box", "HOME=/root"] {
        assert!(shown.lines().any(|l| l == line), "{line}: {shown}");
    }
    daemon.docker(&["start", "own"]).success();
    let exec = daemon
        .docker(&["exec", "-e", "B=2", "own", "env"])
        .success();
    for line in [
        "A=1",
        "B=2",
        &format!("HOSTNAME={}", &own["Id"].as_str().unwrap()[..12]),
    ] {
        assert!(exec.lines().any(|l| l == line), "{line}: {exec}");
    }
    assert!(!exec.contains("TERM="), "{exec}");
}

#[test]
fn the_machines_name_goes_with_its_network_and_no_label_with_all_rights() {
    let daemon = with_busybox();
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = created(&daemon, "host", &["--network", "host"]);
    assert_eq!(host["Config"]["Hostname"], machine.trim());
    let run = ["run", "--rm", "--network", "host", "busybox", "hostname"];
    assert_eq!(daemon.docker(&run).success(), machine);

    for option in ["--privileged", "--pid=host", "--ipc=host"] {
        let shown = created(&daemon, &option.replace(['-', '='], ""), &[option]);
        assert_eq!(shown["HostConfig"]["SecurityOpt"], json!(["label=disable"]));
    }
    let uts = created(&daemon, "uts", &["--uts", "host"]);
    assert_eq!(uts["Config"]["Hostname"], uts["Id"].as_str().unwrap()[..12]);
    assert_eq!(uts["HostConfig"]["SecurityOpt"], Value::Null);
}

#[test]
fn lists_show_health_since_api_1_52() {
    let daemon = with_busybox();
    let options = ["--health-cmd", "true", "--health-interval", "100ms"];
    created(&daemon, "checked", &options);
    let health = |version: &str| {
        let target = format!("/v{version}/containers/json?all=1");
        daemon.request("GET", &target).json()[0]["Health"].clone()
    };
    assert_eq!(
        health("1.52"),
        json!({"Status": "none", "FailingStreak": 0})
    );
    daemon.docker(&["start", "checked"]).success();
    wait_until(|| health("1.52") == json!({"Status": "healthy", "FailingStreak": 0}));
    assert_eq!(health("1.51"), Value::Null);
    daemon.docker(&["kill", "checked"]).success();
    assert_eq!(health("1.53")["Status"], "none");
}

#[test]
fn a_create_that_fails_leaves_no_volume() {
    let daemon = with_busybox();
    let refused = [
        "create",
        "-v",
        "/first",
        "-v",
        "/second",
        "--mount",
        "type=bind,src=/no/such/folder,dst=/third",
        "busybox",
    ];
    let said = daemon.docker(&refused).failure(1);
    assert!(said.contains("/no/such/folder"), "{said}");
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "");
    daemon
        .docker(&["create", "--name", "taken", "busybox"])
        .success();
    let again = ["create", "--name", "taken", "-v", "/data", "busybox"];
    daemon.docker(&again).failure(1);
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "");
}
