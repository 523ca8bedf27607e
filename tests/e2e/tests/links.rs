//! `--link`, `--add-host` and what else stands in a container's hosts file.

use bulkhead_test_support::{Daemon, images, own_network};

fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::builder()
        .argument("--host-gateway-ip")
        .argument("192.0.2.77")
        .start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn address(daemon: &Daemon, container: &str) -> String {
    let shown = daemon.request("GET", &format!("/containers/{container}/json"));
    let endpoint = &shown.json()["NetworkSettings"]["Networks"]["bridge"];
    endpoint["IPAddress"].as_str().unwrap().to_owned()
}

fn hosts(daemon: &Daemon, container: &str) -> String {
    let shown = daemon.docker(&["exec", container, "cat", "/etc/hosts"]);
    shown.success()
}

#[test]
fn a_link_on_the_default_bridge_is_told_in_hosts_and_environment() {
    let daemon = with_busybox();
    let db = [
        "run", "-d", "--name", "db", "-h", "dbhost", "-e", "A=b", "--expose", "80", "busybox",
        "sleep", "600",
    ];
    daemon.docker(&db).success();
    for (client, name) in [("docker", "web"), ("bulkhead", "web2")] {
        let run = ["run", "-d", "--name", name, "--link", "db:my-db"];
        let more = ["--link", "db", "--add-host", "up:host-gateway"];
        let run = [&run[..], &more, &["busybox", "sleep", "600"]].concat();
        match client {
            "docker" => daemon.docker(&run).success(),
            _ => daemon.bulkhead(&run).success(),
        };
        let there = address(&daemon, "db");
        let told = hosts(&daemon, name);
        for line in [
            format!("{there}\tmy-db dbhost db\n"),
            format!("{there}\tdb dbhost\n"),
            "192.0.2.77\tup\n".to_owned(),
        ] {
            assert!(told.contains(&line), "{line} is not in {told}");
        }
        let env = daemon.docker(&["exec", name, "env"]).success();
        for variable in [
            format!("MY_DB_PORT=tcp://{there}:80\n"),
            format!("MY_DB_PORT_80_TCP_ADDR={there}\n"),
            format!("DB_NAME=/{name}/db\n"),
            "DB_ENV_A=b\n".to_owned(),
        ] {
            assert!(env.contains(&variable), "{variable} is not in {env}");
        }
        let shown = daemon.request("GET", &format!("/containers/{name}/json"));
        let links = &shown.json()["HostConfig"]["Links"];
        assert_eq!(links[0], format!("/db:/{name}/my-db"));
    }
    // It comes back elsewhere, and is found there.
    let before = address(&daemon, "db");
    daemon.docker(&["stop", "-t", "0", "db"]).success();
    let between = ["run", "-d", "--name", "between", "busybox", "sleep", "600"];
    daemon.docker(&between).success();
    let stopped = daemon.docker(&["restart", "-t", "0", "web2"]).failure(1);
    let expected = "Cannot link to a non running container: /db AS /web2/";
    assert!(stopped.contains(expected), "{stopped}");
    daemon.docker(&["start", "db"]).success();
    let after = address(&daemon, "db");
    assert_ne!(before, after);
    let told = hosts(&daemon, "web");
    assert!(
        told.contains(&format!("{after}\tmy-db dbhost db\n")),
        "{told}"
    );
    assert!(!told.contains(&format!("{before}\tmy-db")), "{told}");
    let unknown = ["create", "--link", "nobody", "busybox"];
    let unknown = daemon.docker(&unknown).failure(1);
    let expected = "could not get container for nobody: No such container: nobody";
    assert!(unknown.contains(expected), "{unknown}");
}

#[test]
fn a_link_on_another_network_is_a_name_for_its_owner_alone() {
    let daemon = with_busybox();
    daemon.docker(&["network", "create", "shop"]).success();
    let run = |name: &str, more: &[&str]| {
        let run = [&["run", "-d", "--name", name, "--network", "shop"], more];
        let run = [&run.concat()[..], &["busybox", "sleep", "600"]].concat();
        daemon.docker(&run).success();
    };
    run("db", &[]);
    run("web", &["--link", "db:store"]);
    run("other", &[]);
    let ask = |who: &str, name: &str| {
        let ask = ["exec", who, "nslookup", "-type=a", name];
        daemon.docker(&ask).status == Some(0)
    };
    assert!(ask("web", "store") && ask("web", "db"));
    assert!(!ask("other", "store"));
    daemon.docker(&["network", "create", "mall"]).success();
    daemon
        .docker(&["network", "connect", "mall", "db"])
        .success();
    let connect = ["network", "connect", "--link", "db:shelf", "mall", "other"];
    daemon.docker(&connect).success();
    assert!(ask("other", "shelf") && !ask("web", "shelf"));
}
