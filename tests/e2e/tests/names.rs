//! The resolver of containers, asked byte by byte from inside their network,
//! with a scripted server for the rest.

#[path = "names/dns.rs"]
mod dns;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, own_network, own_resolv_conf};
use dns::{Answer, Asker, Scripted, question};

const A: u16 = 1;
const PTR: u16 = 12;
const MX: u16 = 15;
const AAAA: u16 = 28;
const NO_ERROR: u8 = 0;
const SERV_FAIL: u8 = 2;
const NX_DOMAIN: u8 = 3;

/// A daemon on a host whose resolv.conf is `resolv.conf` of the folder.
fn on_host(folder: &tempfile::TempDir, resolv_conf: &str) -> Daemon {
    own_network();
    let path = folder.path().join("resolv.conf");
    std::fs::write(&path, resolv_conf).unwrap();
    own_resolv_conf(&path);
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn sleeper(daemon: &Daemon, name: &str, more: &[&str]) -> Asker {
    let run = [
        &["run", "-d", "--name", name],
        more,
        &["busybox", "sleep", "600"],
    ];
    daemon.docker(&run.concat()).success();
    asker(daemon, name)
}

fn asker(daemon: &Daemon, name: &str) -> Asker {
    let shown = daemon.request("GET", &format!("/containers/{name}/json"));
    Asker::of(shown.json()["State"]["Pid"].as_u64().unwrap())
}

fn address(daemon: &Daemon, container: &str, network: &str) -> Ipv4Addr {
    let shown = daemon.request("GET", &format!("/containers/{container}/json"));
    let endpoint = &shown.json()["NetworkSettings"]["Networks"][network];
    endpoint["IPAddress"].as_str().unwrap().parse().unwrap()
}

#[test]
fn neighbours_are_found_over_both_transports_while_a_container_serves_port_53() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = on_host(&folder, "nameserver 127.0.0.1\n");
    daemon.docker(&["network", "create", "shop"]).success();
    let web = sleeper(&daemon, "web", &["--network", "shop"]);
    let own = address(&daemon, "web", "shop");
    let serve = ["exec", "-d", "web", "nc", "-l", "-p", "53"];
    daemon.docker(&serve).success();
    for n in 1..=3 {
        let more = ["--network", "shop", "--network-alias", "cart"];
        sleeper(&daemon, &format!("cart{n}"), &more);
    }
    for ask in [Asker::datagram, Asker::stream] {
        let found = ask(&web, &question("WEB.Shop", A));
        assert_eq!(found.addresses, [IpAddr::from(own)], "{found:?}");
        let mut firsts = Vec::new();
        for _ in 0..6 {
            let found = ask(&web, &question("cart", A));
            assert_eq!(found.addresses.len(), 3, "{found:?}");
            firsts.push(found.addresses[0]);
        }
        firsts.sort();
        firsts.dedup();
        assert_eq!(firsts.len(), 3, "the same comes first every time");
        for kind in [AAAA, MX] {
            let none = ask(&web, &question("cart", kind));
            assert_eq!((none.code, none.count), (NO_ERROR, 0), "{none:?}");
        }
    }
    let [a, b, c, d] = own.octets();
    let reverse = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
    let found = web.datagram(&question(&reverse, PTR));
    assert!(found.contains(b"\x03web\x04shop\0"), "{found:?}");
    let listening = daemon.docker(&["exec", "web", "netstat", "-tln"]).success();
    assert!(listening.contains(":53 "), "{listening}");
    // A socket that asked before the daemon was killed asks again after.
    let kept = web.socket();
    assert_eq!(dns::ask_on(&kept, &question("web", A)).count, 1);
    daemon.kill();
    daemon.start_again();
    assert_eq!(dns::ask_on(&kept, &question("web", A)).count, 1);
}

#[test]
fn what_others_know_is_asked_of_them_once_and_long_answers_come_by_stream() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = on_host(&folder, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
    let (first, second) = (Scripted::at([127, 0, 0, 1]), Scripted::at([127, 0, 0, 2]));
    daemon.docker(&["network", "create", "shop"]).success();
    daemon
        .docker(&["network", "create", "--internal", "vault"])
        .success();
    let web = sleeper(&daemon, "web", &["--network", "shop"]);
    let known = || web.datagram(&question("known.example", A));
    assert_eq!(known().addresses, [IpAddr::from([192, 0, 2, 1])]);
    let none = || web.datagram(&question("none.example", A));
    assert_eq!(none().code, NX_DOMAIN);
    let asked = || (first.asked("known.example"), first.asked("none.example"));
    let before = asked();
    assert_eq!((known().count, none().code), (1, NX_DOMAIN));
    assert_eq!(asked(), before, "an answer was not kept");
    let cut = web.datagram(&question("long.example", A));
    assert!(cut.truncated, "{cut:?}");
    let long = web.stream(&question("long.example", A));
    assert_eq!((long.truncated, long.count), (false, 100));
    let edns = web.datagram(&dns::with_edns(&question("edns.example", A), 1400));
    assert!(edns.contains(&[0, 0, 41, 5, 120]), "{edns:?}");
    // The first server fails, is silent: the second is asked.
    for name in ["broken.example", "silent.example"] {
        let found = web.datagram(&question(name, A));
        assert_eq!(found.addresses, [IpAddr::from([192, 0, 2, 2])], "{name}");
        assert!(second.asked(name) > 0);
    }
    // From now on the host asks another server.
    let path = folder.path().join("resolv.conf");
    std::fs::write(&path, "nameserver 127.0.0.2\n").unwrap();
    assert_eq!(known().addresses, [IpAddr::from([192, 0, 2, 2])]);
    let gold = sleeper(&daemon, "gold", &["--network", "vault"]);
    let before = second.asked("known.example");
    let refused = gold.datagram(&question("known.example", A));
    assert_eq!(refused.code, SERV_FAIL, "{refused:?}");
    assert_eq!(second.asked("known.example"), before, "a vault leaks");
}

#[test]
fn a_containers_own_servers_are_asked_from_its_network() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = on_host(&folder, "nameserver 127.0.0.1\n");
    let hosts = Scripted::at([127, 0, 0, 1]);
    let create = ["network", "create", "--subnet", "10.126.0.0/24", "shop"];
    daemon.docker(&create).success();
    sleeper(&daemon, "first", &["--network", "shop"]);
    let gateway = Scripted::at([10, 126, 0, 1]);
    let more = ["--network", "shop", "--dns", "10.126.0.1"];
    let options = ["--dns-search", "example", "--dns-option", "ndots:1"];
    let web = sleeper(&daemon, "web", &[&more[..], &options].concat());
    let shown = daemon.docker(&["exec", "web", "cat", "/etc/resolv.conf"]);
    assert_eq!(
        shown.success(),
        "nameserver 127.0.0.11\nsearch example\noptions ndots:1\n"
    );
    let found = web.datagram(&question("known.example", A));
    assert_eq!(found.count, 1, "{found:?}");
    assert!(gateway.asked("known.example") > 0);
    // With ndots a bare name is the container's to complete.
    let bare = web.datagram(&question("known", A));
    assert_eq!((bare.code, bare.count), (NO_ERROR, 0), "{bare:?}");
    assert_eq!(gateway.asked("known"), 0, "a bare name left the host");
    // 127.0.0.1 is the container's own loopback, not the host's.
    let own = sleeper(&daemon, "own", &["--network", "shop", "--dns", "127.0.0.1"]);
    let before = hosts.asked("known.example");
    let found = own.datagram(&question("known.example", A));
    assert_eq!(found.code, SERV_FAIL, "{found:?}");
    assert_eq!(hosts.asked("known.example"), before, "the host was asked");
}

#[test]
fn who_floods_its_resolver_or_sends_it_rubbish_still_finds_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = on_host(&folder, "nameserver 127.0.0.1\n");
    // Somebody who takes every question and answers none.
    let _silent = std::net::UdpSocket::bind("127.0.0.1:53").unwrap();
    daemon.docker(&["network", "create", "shop"]).success();
    let web = sleeper(&daemon, "web", &["--network", "shop"]);
    let other = sleeper(&daemon, "other", &["--network", "shop"]);
    let flood = web.socket();
    for n in 0..3000u32 {
        let mut bytes = question(&format!("n{n}.example"), A);
        if n % 2 == 0 {
            let at = n as usize % bytes.len();
            bytes[at] ^= (n >> 3) as u8 | 1;
            bytes.truncate(n as usize % 40);
        }
        flood.send(&bytes).unwrap();
    }
    for asker in [&web, &other] {
        let found = asker.datagram(&question("other", A));
        assert_eq!(found.count, 1, "{found:?}");
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    assert!(threads.count() < 100, "a thread for each question");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
    assert!(descriptors.count() < 600, "a socket for each question");
}

#[test]
fn a_container_that_joins_its_first_network_with_names_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = on_host(&folder, "nameserver 192.0.2.53\n");
    daemon.docker(&["network", "create", "shop"]).success();
    sleeper(&daemon, "web", &["--network", "shop"]);
    let web = address(&daemon, "web", "shop");
    for (name, edited) in [("late", false), ("edited", true)] {
        sleeper(&daemon, name, &["--domainname", "example"]);
        if edited {
            let edit = "echo '# mine' >> /etc/resolv.conf";
            daemon.docker(&["exec", name, "sh", "-c", edit]).success();
        }
        daemon
            .docker(&["network", "connect", "shop", name])
            .success();
        let found = asker(&daemon, name).datagram(&question("web", A));
        assert_eq!(found.addresses, [IpAddr::from(web)], "{found:?}");
        let show = ["exec", name, "cat", "/etc/resolv.conf", "/etc/hosts"];
        let shown = daemon.docker(&show).success();
        assert_eq!(shown.contains("nameserver 127.0.0.11"), !edited, "{shown}");
        assert_eq!(shown.contains("# mine"), edited, "{shown}");
        let hostname = daemon.docker(&["exec", name, "hostname"]).success();
        let hostname = hostname.trim();
        let there = address(&daemon, name, "shop");
        let line = format!("{there}\t{hostname}.example {hostname}\n");
        assert!(shown.contains(&line), "{shown}");
        daemon
            .docker(&["network", "disconnect", "shop", name])
            .success();
        let shown = daemon.docker(&show).success();
        assert!(!shown.contains(&line), "{shown}");
    }
}

#[test]
fn a_renamed_containers_new_name_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = on_host(&folder, "nameserver 127.0.0.1\n");
    daemon.docker(&["network", "create", "shop"]).success();
    let web = sleeper(&daemon, "web", &["--network", "shop"]);
    assert_eq!(web.datagram(&question("web", A)).count, 1);
    daemon.docker(&["rename", "web", "store"]).success();
    assert_eq!(web.datagram(&question("store", A)).count, 1);
    let asked = Instant::now();
    let gone: Answer = web.datagram(&question("web", A));
    assert_eq!((gone.code, gone.count), (SERV_FAIL, 0), "{gone:?}");
    assert!(asked.elapsed() < Duration::from_secs(30));
}
