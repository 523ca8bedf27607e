//! Networks as a container and its neighbours see them.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, own_network};

/// In a network of this test alone: on this machine another engine's packet
/// filter may be in the way.
fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn read_within(port: u16, limit: Duration) -> String {
    let end = Instant::now() + limit;
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let mut text = String::new();
            if stream.read_to_string(&mut text).is_ok() && !text.is_empty() {
                return text;
            }
        }
        assert!(Instant::now() < end, "nothing answers on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_three_networks_differ_as_dockers() {
    let daemon = with_busybox();
    let links = |network: &str| {
        let run = [
            "run",
            "--rm",
            "--network",
            network,
            "busybox",
            "sh",
            "-c",
            "ls /sys/class/net | tr '\\n' ' '",
        ];
        daemon.bulkhead(&run).success()
    };
    assert_eq!(links("bridge").trim(), "eth0 lo");
    assert_eq!(links("none").trim(), "lo");
    let shown = links("host");
    let bridge = shown.split_whitespace().any(|link| link.starts_with("bh-"));
    assert!(bridge, "the host's links are not all there: {shown}");
    let unknown = daemon
        .bulkhead(&["run", "--rm", "--network", "nope", "busybox", "true"])
        .failure(125);
    assert!(unknown.contains("network nope not found"), "{unknown}");
}

#[test]
fn a_published_port_answers_on_the_host_and_is_taken_only_once() {
    let daemon = with_busybox();
    let serve = [
        "busybox",
        "sh",
        "-c",
        "while :; do echo served | nc -l -p 80; done",
    ];
    daemon
        .bulkhead(&[&["run", "-d", "--name", "web", "-p", "0:80"][..], &serve].concat())
        .success();
    let inspected: serde_json::Value =
        serde_json::from_str(&daemon.bulkhead(&["inspect", "web"]).success()).unwrap();
    let port = inspected[0]["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        read_within(port.parse().unwrap(), Duration::from_secs(90)),
        "served\n"
    );
    let mapping = format!("{port}:80");
    let taken = daemon
        .bulkhead(&["run", "--rm", "-p", &mapping, "busybox", "true"])
        .failure(125);
    assert!(
        taken.contains("port is already allocated") || taken.contains("address already in use"),
        "{taken}"
    );
}

#[test]
fn neighbours_reach_each_other_and_addresses_come_back() {
    let daemon = with_busybox();
    let serve = "while :; do echo served | nc -l -p 80; done";
    daemon
        .bulkhead(&[
            "run", "-d", "--name", "server", "busybox", "sh", "-c", serve,
        ])
        .success();
    let inspected: serde_json::Value =
        serde_json::from_str(&daemon.bulkhead(&["inspect", "server"]).success()).unwrap();
    let address = inspected[0]["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = format!(
        "for i in $(seq 200); do nc {address} 80 </dev/null && exit 0; sleep 0.2; done; exit 1"
    );
    assert_eq!(
        daemon
            .bulkhead(&["run", "--rm", "busybox", "sh", "-c", &ask])
            .success(),
        "served\n"
    );
    let own = [
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "ip -4 -o addr show eth0 | awk '{print $4}'",
    ];
    assert_eq!(
        daemon.bulkhead(&own).success(),
        daemon.bulkhead(&own).success()
    );
}
