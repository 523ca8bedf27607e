//! Networks that users make: names, isolation, coming and going.

use bulkhead_test_support::{Daemon, images, own_network};
use serde_json::Value;

/// In a network of this test alone: on this machine another engine's packet
/// filter may be in the way.
fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn sleeper(daemon: &Daemon, name: &str, more: &[&str]) {
    let run = [
        &["run", "-d", "--name", name],
        more,
        &["busybox", "sleep", "600"],
    ]
    .concat();
    daemon.docker(&run).success();
}

/// What a shell on `network` says.
fn ask(daemon: &Daemon, network: &str, command: &str) -> (Option<i32>, String) {
    let run = [
        "run",
        "--rm",
        "--network",
        network,
        "busybox",
        "sh",
        "-c",
        command,
    ];
    let output = daemon.docker(&run);
    (output.status, output.stdout + &output.stderr)
}

fn address(daemon: &Daemon, container: &str, network: &str) -> String {
    let shown = daemon.request("GET", &format!("/containers/{container}/json"));
    let endpoint = &shown.json()["NetworkSettings"]["Networks"][network];
    endpoint["IPAddress"].as_str().unwrap().to_owned()
}

fn bridges() -> usize {
    let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let ours = |line: &&str| line.trim_start().starts_with("bh-");
    links.lines().filter(ours).count()
}

#[test]
fn a_network_shows_itself_as_dockers_do_and_goes_when_unused() {
    let daemon = with_busybox();
    let create = [
        "network",
        "create",
        "--subnet",
        "10.123.0.0/24",
        "--label",
        "a=b",
        "shop",
    ];
    let id = daemon.docker(&create).success().trim().to_owned();
    let taken = daemon.docker(&["network", "create", "shop"]).failure(1);
    assert!(
        taken.contains("network with name shop already exists"),
        "{taken}"
    );
    let overlap = ["network", "create", "--subnet", "10.123.0.128/25", "other"];
    let overlap = daemon.docker(&overlap).failure(1);
    assert!(
        overlap.contains("Pool overlaps with other one on this address space"),
        "{overlap}"
    );
    sleeper(
        &daemon,
        "web",
        &["--network", "shop", "--ip", "10.123.0.77"],
    );
    let shown: Value = daemon
        .request("GET", &format!("/networks/{}", &id[..12]))
        .json();
    assert_eq!(
        (&shown["Name"], &shown["Driver"]),
        (&"shop".into(), &"bridge".into())
    );
    assert_eq!(shown["IPAM"]["Config"][0]["Subnet"], "10.123.0.0/24");
    assert_eq!(shown["IPAM"]["Config"][0]["Gateway"], "10.123.0.1");
    assert_eq!(shown["Labels"]["a"], "b");
    let members = shown["Containers"].as_object().unwrap();
    let web = members.values().next().unwrap();
    assert_eq!(
        (&web["Name"], &web["IPv4Address"]),
        (&"web".into(), &"10.123.0.77/24".into())
    );
    assert_eq!(bridges(), 1);
    let used = daemon.docker(&["network", "rm", "shop"]).failure(1);
    assert!(used.contains("has active endpoints"), "{used}");
    daemon.docker(&["rm", "-f", "web"]).success();
    daemon.docker(&["network", "rm", "shop"]).success();
    let predefined = daemon.docker(&["network", "rm", "bridge"]).failure(1);
    assert!(predefined.contains("bridge is a pre-defined network and cannot be removed"));
    assert_eq!(bridges(), 0, "a bridge stayed behind");
}

#[test]
fn names_resolve_on_a_network_and_survive_a_killed_daemon() {
    let mut daemon = with_busybox();
    daemon.docker(&["network", "create", "shop"]).success();
    sleeper(
        &daemon,
        "web",
        &["--network", "shop", "--network-alias", "front"],
    );
    let web = address(&daemon, "web", "shop");
    for name in ["web", "WEB", "front", "web.shop"] {
        let (status, said) = ask(&daemon, "shop", &format!("nslookup -type=a {name}"));
        assert!(status == Some(0) && said.contains(&web), "{name}: {said}");
    }
    let (_, said) = ask(&daemon, "shop", &format!("nslookup {web}"));
    assert!(said.contains("web.shop"), "{said}");
    daemon.kill();
    daemon.start_again();
    sleeper(&daemon, "late", &["--network", "shop"]);
    let late = address(&daemon, "late", "shop");
    assert_ne!(late, web);
    // The container that was there before asks for the one that came after.
    let pid = daemon.request("GET", "/containers/web/json").json()["State"]["Pid"].to_string();
    let mut lookup = std::process::Command::new("nsenter");
    lookup.args([
        "-t",
        &pid,
        "-n",
        "-m",
        "/bin/busybox",
        "nslookup",
        "-type=a",
        "late",
    ]);
    let said = lookup.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(&late), "{said}");
    daemon.docker(&["rm", "-f", "late"]).success();
    let (status, _) = ask(&daemon, "shop", "nslookup -type=a late");
    assert_ne!(status, Some(0), "a removed container has a name");
}

#[test]
fn networks_are_apart_and_an_internal_one_leads_nowhere() {
    let daemon = with_busybox();
    daemon.docker(&["network", "create", "shop"]).success();
    daemon
        .docker(&["network", "create", "--internal", "vault"])
        .success();
    let serve = "while :; do echo served | nc -l -p 80; done";
    for (name, network) in [("web", "shop"), ("gold", "vault")] {
        let run = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            network,
            "busybox",
            "sh",
            "-c",
            serve,
        ];
        daemon.docker(&run).success();
    }
    let (web, gold) = (
        address(&daemon, "web", "shop"),
        address(&daemon, "gold", "vault"),
    );
    // What answers may take a while to do so.
    let fetch = |address: &str, times: usize| {
        format!(
            "for i in $(seq {times}); do nc -w 1 {address} 80 </dev/null && exit 0; sleep 0.2; done; exit 1"
        )
    };
    for (network, target, reached) in [
        ("shop", &web, true),
        ("vault", &gold, true),
        ("shop", &gold, false),
        ("vault", &web, false),
        ("bridge", &web, false),
        ("bridge", &gold, false),
    ] {
        let (status, said) = ask(
            &daemon,
            network,
            &fetch(target, if reached { 50 } else { 3 }),
        );
        assert_eq!(status == Some(0), reached, "{network} to {target}: {said}");
    }
    let (_, routes) = ask(&daemon, "vault", "ip route");
    assert!(!routes.contains("default"), "{routes}");
    // Nothing is forwarded for it (CVE-2024-29018).
    let (status, said) = ask(&daemon, "vault", "nslookup -type=a example.com");
    assert!(status != Some(0) && said.contains("SERVFAIL"), "{said}");
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() {
    let daemon = with_busybox();
    for network in ["one", "two2"] {
        let created = daemon.docker(&["network", "create", network]);
        created.success();
    }
    sleeper(&daemon, "web", &["--network", "one"]);
    daemon
        .docker(&["network", "connect", "--alias", "shop", "two2", "web"])
        .success();
    let (status, said) = ask(
        &daemon,
        "two2",
        "nslookup -type=a shop && ping -c1 -W2 shop",
    );
    assert_eq!(status, Some(0), "{said}");
    let twice = daemon
        .docker(&["network", "connect", "two2", "web"])
        .failure(1);
    assert!(twice.contains("already exists in network two2"), "{twice}");
    daemon
        .docker(&["network", "disconnect", "one", "web"])
        .success();
    let shown: Value = daemon.request("GET", "/containers/web/json").json();
    let pid = shown["State"]["Pid"].to_string();
    let mut routes = std::process::Command::new("nsenter");
    let routes = routes.args(["-t", &pid, "-n", "ip", "route"]).output();
    let routes = String::from_utf8_lossy(&routes.unwrap().stdout).into_owned();
    let gateway = &shown["NetworkSettings"]["Networks"]["two2"]["Gateway"];
    let way_out = format!("default via {} dev eth1", gateway.as_str().unwrap());
    assert!(routes.contains(&way_out), "{routes}");
    let networks = shown["NetworkSettings"]["Networks"].as_object().unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["two2"]);
    daemon.docker(&["network", "rm", "one"]).success();
    daemon.docker(&["restart", "-t", "0", "web"]).success();
    assert!(!address(&daemon, "web", "two2").is_empty());
    let not = daemon
        .docker(&["network", "disconnect", "bridge", "web"])
        .failure(1);
    assert!(not.contains("is not connected to network bridge"), "{not}");
}

#[test]
fn what_a_network_cannot_do_is_refused_by_name() {
    let daemon = with_busybox();
    for (arguments, text) in [
        (&["-d", "nosuch", "shop"][..], "plugin \"nosuch\" not found"),
        (
            &["-d", "macvlan", "-o", "parent=nosuch0", "shop"],
            "parent interface nosuch0 was not found",
        ),
        (
            &["-o", "com.docker.network.bridge.enable_icc=maybe", "shop"],
            "failed to parse com.docker.network.bridge.enable_icc value: maybe",
        ),
        (
            &["-o", "com.docker.network.bridge.inhibit_ipv4=true", "shop"],
            "is not supported by the bridge driver",
        ),
        (
            &[
                "--subnet",
                "10.55.0.0/24",
                "--subnet",
                "10.56.0.0/24",
                "shop",
            ],
            "bridge driver doesn't support multiple subnets",
        ),
        (
            &[
                "--subnet",
                "10.55.0.0/24",
                "--aux-address",
                "a=10.55.0.1",
                "shop",
            ],
            "failed to allocate secondary ip address (a:10.55.0.1): Address already in use",
        ),
        (
            &["-d", "host", "shop"],
            "only one instance of \"host\" network is allowed",
        ),
    ] {
        let refused = daemon.docker(&[&["network", "create"], arguments].concat());
        let refused = refused.failure(1);
        assert!(refused.contains(text), "{arguments:?}: {refused}");
    }
    let body = serde_json::json!({
        "Image": "busybox",
        "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["x"]}}},
    });
    let alias = daemon.request_json("POST", "/containers/create", &body);
    assert_eq!(alias.status, 400);
    let text = alias.text();
    assert!(
        text.contains("only for containers in user defined networks"),
        "{text}"
    );
    daemon.docker(&["network", "create", "shop"]).success();
    let address = [
        "run",
        "--rm",
        "--network",
        "shop",
        "--ip",
        "10.9.9.9",
        "busybox",
        "true",
    ];
    let address = daemon.docker(&address).failure(125);
    assert!(address.contains("user configured subnets"), "{address}");
}

#[test]
fn our_own_client_gives_names_and_addresses_on_several_networks() {
    let daemon = with_busybox();
    for (name, subnet) in [("shop", "10.124.0.0/24"), ("store", "10.125.0.0/24")] {
        let create = ["network", "create", "--subnet", subnet, name];
        daemon.docker(&create).success();
    }
    for (client, name) in [("bulkhead", "ours"), ("docker", "dockers")] {
        let (front, back) = (format!("front-{name}"), format!("back-{name}"));
        let last = if name == "ours" { "7" } else { "8" };
        let first_address = format!("10.124.0.{last}");
        let second = format!("name=store,alias={back},ip=10.125.0.{last}");
        let run = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "shop",
            "--network-alias",
            &front,
            "--ip",
            &first_address,
            "--network",
            &second,
            "busybox",
            "sleep",
            "600",
        ];
        match client {
            "docker" => daemon.docker(&run).success(),
            _ => daemon.bulkhead(&run).success(),
        };
        assert_eq!(address(&daemon, name, "shop"), first_address);
        assert_eq!(address(&daemon, name, "store"), format!("10.125.0.{last}"));
        for (network, alias) in [("shop", &front), ("store", &back)] {
            let (status, said) = ask(&daemon, network, &format!("nslookup -type=a {alias}"));
            assert!(status == Some(0) && said.contains(last), "{alias}: {said}");
        }
    }
    for (options, why) in [
        (
            &["--network", "shop", "--network", "bridge"][..],
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ),
        (
            &["--network", "shop", "--network", "shop"],
            "network \"shop\" is specified multiple times",
        ),
        (
            &["--network", "name=shop,alias=a", "--network-alias", "b"],
            "conflicting options: cannot specify both --network-alias and per-network alias",
        ),
        (
            &["--network", "shop", "--ip", "10.124.0.7"],
            "Address already in use",
        ),
        (
            &["--network-alias", "b"],
            "network-scoped alias is supported only",
        ),
    ] {
        let run = [&["run"], options, &["busybox", "true"]].concat();
        let said = daemon.bulkhead(&run).failure(125);
        assert!(said.contains(why), "{options:?}: {said}");
    }
    daemon.docker(&["rm", "-f", "ours", "dockers"]).success();
}
