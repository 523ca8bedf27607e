//! `network firewall` and `network trace`: what there is, why, and what comes
//! back when somebody takes it away.

use std::process::Command;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, own_network};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn run(daemon: &Daemon, name: &str, more: &[&str], command: &str) {
    let run = [&["run", "-d", "--name", name], more].concat();
    let run = [&run[..], &["busybox", "sh", "-c", command]].concat();
    daemon.docker(&run).success();
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn firewall(daemon: &Daemon) -> Value {
    daemon.request("GET", "/system/firewall").json()
}

fn states(shown: &Value) -> Vec<(String, String)> {
    let of = |list: &str, key: &str| {
        let all = shown[list].as_array().unwrap().iter();
        let pair = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text(key), text("State"))
        };
        all.map(pair).collect::<Vec<_>>()
    };
    [of("Rules", "Rule"), of("Entries", "Entry")].concat()
}

#[test]
fn every_rule_has_a_reason_and_comes_back_when_it_was_flushed() {
    let daemon = with_busybox();
    let empty = daemon.bulkhead(&["network", "firewall"]).success();
    assert!(empty.contains("No container needs it yet"), "{empty}");
    daemon.docker(&["network", "create", "shop"]).success();
    daemon
        .docker(&["network", "create", "--internal", "vault"])
        .success();
    run(
        &daemon,
        "web",
        &["--network", "shop", "-p", "127.0.0.1:18080:80"],
        "sleep 600",
    );
    run(&daemon, "gold", &["--network", "vault"], "sleep 600");
    let shown = daemon.bulkhead(&["network", "firewall"]).success();
    for part in [
        "IPv4 forwarding on",
        "networks are apart, and reached by published ports only",
        "tcp 127.0.0.1:18080 to ",
        "container web",
        "network shop",
        "network vault",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let before = states(&firewall(&daemon));
    assert!(
        before.iter().all(|(_, state)| state == "present"),
        "{before:?}"
    );
    let table = firewall(&daemon)["Table"].as_str().unwrap().to_owned();
    // What somebody adds is told from ours.
    let foreign = ["add", "rule", "ip", &table, "forward", "counter", "accept"];
    nft(&foreign);
    let stale = daemon.bulkhead(&["network", "firewall"]);
    let stale = stale.stdout + &stale.stderr;
    assert!(stale.contains("not ours: somebody added it"), "{stale}");
    for flush in [&["flush", "ruleset"][..], &["flush", "table", "ip", &table]] {
        nft(flush);
        let end = Instant::now() + PATIENCE;
        loop {
            let after = states(&firewall(&daemon));
            if after == before {
                break;
            }
            assert!(Instant::now() < end, "{flush:?}: {after:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(nft(&["list", "table", "ip", &table]).contains("127.0.0.1"));
    }
}

#[test]
fn a_trace_says_where_a_packet_ends() {
    let daemon = with_busybox();
    for network in ["shop", "mall"] {
        daemon.docker(&["network", "create", network]).success();
    }
    daemon
        .docker(&["network", "create", "--internal", "vault"])
        .success();
    let serve = "busybox httpd -p 80; busybox httpd -p 127.0.0.1:81; sleep 600";
    run(
        &daemon,
        "web",
        &["--network", "shop", "-p", "18081:80"],
        serve,
    );
    run(&daemon, "near", &["--network", "shop"], "sleep 600");
    run(&daemon, "far", &["--network", "mall"], "sleep 600");
    run(&daemon, "gold", &["--network", "vault"], "sleep 600");
    let web = daemon.request("GET", "/containers/web/json").json();
    let settings = &web["NetworkSettings"]["Networks"]["shop"];
    let (address, gateway) = (
        settings["IPAddress"].as_str().unwrap(),
        settings["Gateway"].as_str().unwrap(),
    );
    let listening = ["exec", "web", "netstat", "-tln"];
    let end = Instant::now() + PATIENCE;
    loop {
        let said = daemon.docker(&listening).success();
        if said.contains(":80 ") && said.contains("127.0.0.1:81 ") {
            break;
        }
        assert!(Instant::now() < end, "nobody listens");
    }
    for (from, target, arrives, why) in [
        (
            "near",
            "web:80".to_owned(),
            true,
            "web listens on tcp port 80",
        ),
        (
            "near",
            "web:81".to_owned(),
            false,
            "is open on its loopback only",
        ),
        (
            "near",
            "web:82".to_owned(),
            false,
            "nothing listens on tcp port 82",
        ),
        (
            "far",
            "web:80".to_owned(),
            false,
            "they share no network with names",
        ),
        (
            "far",
            format!("{address}:80"),
            false,
            "networks mall and shop are apart",
        ),
        (
            "far",
            format!("{gateway}:18081"),
            true,
            "port 18081 is published: it goes to web",
        ),
        (
            "gold",
            "192.0.2.1:80".to_owned(),
            false,
            "network is unreachable",
        ),
        (
            "near",
            "192.0.2.1:80".to_owned(),
            true,
            "is beyond this host",
        ),
    ] {
        let traced = daemon.bulkhead(&["network", "trace", from, &target]);
        let said = traced.stdout + &traced.stderr;
        assert!(said.contains(why), "{from} to {target}: {said}");
        assert_eq!(
            traced.status == Some(0),
            arrives,
            "{from} to {target}: {said}"
        );
        // As the trace says, so it is.
        if let Some((host, port)) = target.split_once(':').filter(|_| why.contains("port 8")) {
            let end = Instant::now() + if arrives { PATIENCE } else { Duration::ZERO };
            let reached = loop {
                let nc = ["exec", from, "nc", "-w", "1", host, port];
                let reached = daemon.docker(&nc).status == Some(0);
                if reached || Instant::now() >= end {
                    break reached;
                }
            };
            assert_eq!(reached, arrives, "{from} to {target}");
        }
    }
    let json = ["network", "trace", "--format", "json", "near", "web:80"];
    let json: Value = serde_json::from_str(&daemon.bulkhead(&json).success()).unwrap();
    assert_eq!(json["Steps"][0]["At"], "container");
    daemon
        .bulkhead(&["network", "trace", "near", "web:x"])
        .failure(1);
}
