//! IPv6 beside IPv4, chosen addresses, options of networks, interfaces of the
//! host that containers share.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, own_network};
use serde_json::Value;

const SERVE: &str = "while :; do echo served | nc -l -p 80; done";

fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

/// A container on `network` that serves on port 80.
fn server(daemon: &Daemon, name: &str, more: &[&str]) {
    let run = [
        &["run", "-d", "--name", name],
        more,
        &["busybox", "sh", "-c", SERVE],
    ];
    daemon.docker(&run.concat()).success();
}

fn inside(daemon: &Daemon, name: &str, command: &str) -> (Option<i32>, String) {
    let output = daemon.docker(&["exec", name, "sh", "-c", command]);
    (output.status, output.stdout + &output.stderr)
}

fn fetch(address: &str, times: usize) -> String {
    format!(
        "for i in $(seq {times}); do nc -w 1 {address} 80 </dev/null && exit 0; sleep 0.2; done; exit 1"
    )
}

fn endpoint(daemon: &Daemon, name: &str, network: &str) -> Value {
    let shown = daemon.request("GET", &format!("/containers/{name}/json"));
    shown.json()["NetworkSettings"]["Networks"][network].clone()
}

fn read_from(addr: SocketAddr) -> String {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let mut text = String::new();
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(20));
        if let Ok(mut stream) = stream
            && stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .is_ok()
            && stream.read_to_string(&mut text).is_ok()
            && !text.is_empty()
        {
            return text;
        }
        assert!(Instant::now() < end, "nothing answers at {addr}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_network_with_ipv6_gives_addresses_ports_and_a_way_out_in_both_families() {
    let mut daemon = with_busybox();
    // A neighbour of the host's, for the way out.
    ip("link add lan0 type veth peer name lan1");
    for setup in [
        "addr add fd99::1/64 dev lan0 nodad",
        "link set lan0 up",
        "link set lan1 up",
    ] {
        ip(setup);
    }
    daemon
        .docker(&["network", "create", "--ipv6", "shop"])
        .success();
    let shown = daemon.request("GET", "/networks/shop").json();
    assert_eq!(shown["EnableIPv6"], true);
    let subnet = shown["IPAM"]["Config"][1]["Subnet"].as_str().unwrap();
    assert!(
        subnet.starts_with("fd") && subnet.ends_with("/64"),
        "{subnet}"
    );
    server(&daemon, "web", &["--network", "shop", "-p", "18080:80"]);
    server(&daemon, "peer", &["--network", "shop"]);
    let web = endpoint(&daemon, "web", "shop");
    let v6 = web["GlobalIPv6Address"].as_str().unwrap();
    assert_eq!(web["GlobalIPv6PrefixLen"], 64);
    assert!(!web["IPv6Gateway"].as_str().unwrap().is_empty());
    for address in [v6, web["IPAddress"].as_str().unwrap()] {
        let (status, said) = inside(&daemon, "peer", &fetch(address, 100));
        assert_eq!(status, Some(0), "{address}: {said}");
    }
    assert_eq!(read_from("127.0.0.1:18080".parse().unwrap()), "served\n");
    assert_eq!(read_from("[fd99::1]:18080".parse().unwrap()), "served\n");
    let ports = daemon.request("GET", "/containers/web/json").json();
    let bindings = ports["NetworkSettings"]["Ports"]["80/tcp"]
        .as_array()
        .unwrap()
        .clone();
    let ips: Vec<_> = bindings
        .iter()
        .map(|b| b["HostIp"].as_str().unwrap())
        .collect();
    assert_eq!(ips, ["0.0.0.0", "::"]);
    // Killed and started again, the daemon knows which addresses are taken.
    daemon.kill();
    daemon.start_again();
    server(&daemon, "late", &["--network", "shop"]);
    let late = endpoint(&daemon, "late", "shop");
    for taken in ["web", "peer"] {
        let other = endpoint(&daemon, taken, "shop");
        for field in ["IPAddress", "GlobalIPv6Address"] {
            assert_ne!(late[field], other[field], "{field} of {taken}");
        }
    }
    assert_eq!(read_from("[fd99::1]:18080".parse().unwrap()), "served\n");
    daemon
        .docker(&["rm", "-f", "web", "peer", "late"])
        .success();
    daemon.docker(&["network", "rm", "shop"]).success();
    let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    assert!(!links.contains("bh-"), "{links}");
}

#[test]
fn addresses_ranges_and_hardware_addresses_are_as_chosen() {
    let daemon = with_busybox();
    let create = [
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "10.123.0.0/24",
        "--ip-range",
        "10.123.0.128/25",
        "--gateway",
        "10.123.0.254",
        "--aux-address",
        "printer=10.123.0.129",
        "--subnet",
        "fd77::/64",
        "shop",
    ];
    daemon.docker(&create).success();
    let chosen = [
        "--network",
        "shop",
        "--ip",
        "10.123.0.7",
        "--ip6",
        "fd77::77",
        "--mac-address",
        "02:00:00:00:00:07",
    ];
    server(&daemon, "web", &chosen);
    server(&daemon, "any", &["--network", "shop"]);
    let web = endpoint(&daemon, "web", "shop");
    assert_eq!(web["IPAddress"], "10.123.0.7");
    assert_eq!(web["GlobalIPv6Address"], "fd77::77");
    assert_eq!(web["MacAddress"], "02:00:00:00:00:07");
    let (_, link) = inside(&daemon, "web", "cat /sys/class/net/eth0/address");
    assert_eq!(link.trim(), "02:00:00:00:00:07");
    let any = endpoint(&daemon, "any", "shop");
    assert_eq!(any["IPAddress"], "10.123.0.128");
    server(&daemon, "next", &["--network", "shop"]);
    let next = endpoint(&daemon, "next", "shop");
    assert_eq!(
        next["IPAddress"], "10.123.0.130",
        "the printer's was skipped"
    );
    let shown = daemon.request("GET", "/networks/shop").json();
    let config = &shown["IPAM"]["Config"][0];
    assert_eq!(config["AuxiliaryAddresses"]["printer"], "10.123.0.129");
    assert_eq!(
        (&config["Gateway"], &config["IPRange"]),
        (&"10.123.0.254".into(), &"10.123.0.128/25".into())
    );
    let taken = [
        "run",
        "--rm",
        "--network",
        "shop",
        "--ip6",
        "fd77::77",
        "busybox",
        "true",
    ];
    let taken = daemon.docker(&taken).failure(125);
    assert!(taken.contains("Address already in use"), "{taken}");
}

#[test]
fn a_bridges_options_are_heeded() {
    let daemon = with_busybox();
    let create = [
        "network",
        "create",
        "-o",
        "com.docker.network.bridge.name=br-shop",
        "-o",
        "com.docker.network.bridge.enable_icc=false",
        "-o",
        "com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
        "-o",
        "com.docker.network.driver.mtu=1300",
        "shop",
    ];
    daemon.docker(&create).success();
    server(&daemon, "web", &["--network", "shop", "-p", "18081:80"]);
    server(&daemon, "peer", &["--network", "shop"]);
    let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    assert!(links.contains("br-shop"), "{links}");
    let (_, mtu) = inside(&daemon, "web", "cat /sys/class/net/eth0/mtu");
    assert_eq!(mtu.trim(), "1300");
    assert_eq!(read_from("127.0.0.1:18081".parse().unwrap()), "served\n");
    let shown = daemon.request("GET", "/containers/web/json").json();
    let binding = &shown["NetworkSettings"]["Ports"]["80/tcp"][0];
    assert_eq!(binding["HostIp"], "127.0.0.1");
    let web = endpoint(&daemon, "web", "shop");
    let address = web["IPAddress"].as_str().unwrap();
    let (status, said) = inside(&daemon, "peer", &fetch(address, 2));
    assert_ne!(status, Some(0), "containers were to be apart: {said}");
}

#[test]
fn the_highest_gateway_priority_leads_out_and_hands_over() {
    let daemon = with_busybox();
    for (name, subnet) in [("one", "10.121.0.0/24"), ("two", "10.122.0.0/24")] {
        let create = ["network", "create", "--subnet", subnet, name];
        daemon.docker(&create).success();
    }
    let run = [
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "one",
        "--network",
        "name=two,gw-priority=1,ip=10.122.0.9",
        "busybox",
        "sleep",
        "600",
    ];
    daemon.docker(&run).success();
    let way_out = || {
        let (_, routes) = inside(&daemon, "web", "ip route");
        let mut lines = routes.lines();
        let default = lines.find(|line| line.starts_with("default"));
        default.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(way_out(), "default via 10.122.0.1 dev eth1");
    daemon
        .docker(&["network", "disconnect", "two", "web"])
        .success();
    assert_eq!(way_out(), "default via 10.121.0.1 dev eth0");
    let connect = [
        "network",
        "connect",
        "--gw-priority",
        "5",
        "--ip",
        "10.122.0.10",
        "two",
        "web",
    ];
    daemon.docker(&connect).success();
    assert_eq!(way_out(), "default via 10.122.0.1 dev eth1");
    daemon.docker(&["restart", "-t", "0", "web"]).success();
    assert_eq!(way_out(), "default via 10.122.0.1 dev eth1");
}

#[test]
fn containers_share_an_interface_of_the_hosts_by_macvlan() {
    let daemon = with_busybox();
    ip("link add lan0 type veth peer name lan1");
    for link in ["lan0", "lan1"] {
        ip(&format!("link set {link} up"));
    }
    ip("addr add 192.168.77.1/24 dev lan1");
    let create = [
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=lan0",
        "--subnet",
        "192.168.77.0/24",
        "street",
    ];
    daemon.docker(&create).success();
    let second = [
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=lan0",
        "x",
    ];
    let second = daemon.docker(&second).failure(1);
    assert!(
        second.contains("network street is already using parent interface lan0"),
        "{second}"
    );
    server(
        &daemon,
        "web",
        &["--network", "street", "--ip", "192.168.77.7"],
    );
    // The host's other end is a neighbour on the street.
    assert_eq!(read_from("192.168.77.7:80".parse().unwrap()), "served\n");
    daemon.docker(&["network", "create", "shop"]).success();
    daemon
        .docker(&["network", "connect", "shop", "web"])
        .success();
    daemon
        .docker(&["network", "disconnect", "street", "web"])
        .success();
    let (_, links) = inside(&daemon, "web", "ls /sys/class/net");
    assert_eq!(links.split_whitespace().collect::<Vec<_>>(), ["eth1", "lo"]);
    daemon.docker(&["rm", "-f", "web"]).success();
    daemon.docker(&["network", "rm", "street"]).success();
    let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    assert!(links.contains("lan0"), "the parent is the host's: {links}");
}

#[test]
fn ports_may_be_ranges_many_and_chosen() {
    let daemon = with_busybox();
    let run = [
        "-p",
        "20000-20999:1-1000",
        "-p",
        "21000-21010:80",
        "-p",
        "80/udp",
    ];
    server(&daemon, "web", &run);
    server(&daemon, "two", &["-p", "21000-21010:80"]);
    let ports = |name: &str| {
        let shown = daemon.request("GET", &format!("/containers/{name}/json"));
        shown.json()["NetworkSettings"]["Ports"].clone()
    };
    let web = ports("web");
    assert_eq!(web["1000/tcp"][0]["HostPort"], "20999");
    let of_80 = web["80/tcp"].as_array().unwrap().clone();
    let of_80: Vec<_> = of_80
        .iter()
        .map(|b| b["HostPort"].as_str().unwrap())
        .collect();
    assert_eq!(of_80, ["20079", "21000"]);
    assert_eq!(ports("two")["80/tcp"][0]["HostPort"], "21001");
    assert_eq!(read_from("127.0.0.1:21000".parse().unwrap()), "served\n");
    assert_eq!(read_from("127.0.0.1:20079".parse().unwrap()), "served\n");
    let taken = ["run", "--rm", "-p", "20500:80", "busybox", "true"];
    let taken = daemon.docker(&taken).failure(125);
    assert!(
        taken.contains("20500") && taken.contains("port is already allocated"),
        "{taken}"
    );
    daemon.docker(&["rm", "-f", "web", "two"]).success();
    let free = std::net::TcpListener::bind("0.0.0.0:20500");
    assert!(free.is_ok(), "ports stayed behind");
}
