//! On the real kernel, each test in network namespaces of its own: one plays
//! the host, one a neighbour on its network.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::network::{
    Cidr, IfName, NetworkNamespace, NetworkPlan, NetworkStep, PortMapping, Protocol,
};
use bulkhead_sys::netlink::{Address, Namespace, Peer, Route, RouteSocket, Veth, in_namespace};
use bulkhead_sys::nft::FilterSocket;
use bulkhead_sys::seccomp::{Action, Architecture, Comparison, Condition, Filter, Rule, Rules};

use super::endpoint::outer_name;
use super::*;

const TABLE: &str = "bulkhead-test";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
const HOST_ON_LAN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection that must not come about is waited for.
const DROPPED: Duration = Duration::from_millis(300);

/// Runs `test` in a namespace that plays the host.
fn on_host(test: impl FnOnce(&NetworkContext) + Send) {
    let host = Namespace::create().expect("needs root");
    in_namespace(host.fd.as_fd(), || {
        test(&NetworkContext::open(TABLE).unwrap());
    })
    .unwrap();
}

/// A machine on the host's network, with a route to the containers' subnet.
fn neighbour() -> Namespace {
    let mut lan = Namespace::create().unwrap();
    let mut host = RouteSocket::open().unwrap();
    let peer = Peer {
        name: "eth0",
        mac: None,
        namespace: lan.fd.as_fd(),
    };
    host.create_veth(&Veth {
        name: "lan0",
        master: None,
        hairpin: false,
        mtu: 1500,
        peer,
    })
    .unwrap();
    let outer = host.link("lan0").unwrap().unwrap().index;
    host.add_address(&Address {
        link: outer,
        addr: HOST_ON_LAN.into(),
        prefix: 24,
    })
    .unwrap();
    let inner = lan.route.bring_up("eth0").unwrap().unwrap().index;
    lan.route
        .add_address(&Address {
            link: inner,
            addr: NEIGHBOUR.into(),
            prefix: 24,
        })
        .unwrap();
    let dest = IpAddr::V4(Ipv4Addr::new(172, 30, 0, 0));
    let via = Some(IpAddr::V4(HOST_ON_LAN));
    lan.route
        .add_route(&Route {
            dest,
            prefix: 16,
            via,
            link: 0,
        })
        .unwrap();
    lan
}

fn cidr(addr: Ipv4Addr, prefix: u8) -> Cidr {
    Cidr {
        addr: addr.into(),
        prefix,
    }
}

fn bridge() -> IfName {
    IfName::new("br-test").unwrap()
}

fn container(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 30, 0, n)
}

/// What the bridge driver plans for the container with the address 172.30.0.n.
fn plan(n: u8, ports: &[PortMapping]) -> NetworkPlan {
    let eth0 = IfName::new("eth0").unwrap();
    let addr = cidr(GATEWAY, 16);
    let mut steps = vec![
        NetworkStep::Bridge {
            name: bridge(),
            addr,
        },
        NetworkStep::Veth {
            inner: eth0.clone(),
            bridge: Some(bridge()),
            mtu: 1500,
        },
        NetworkStep::Addr {
            ifname: eth0,
            addr: cidr(container(n), 16),
        },
        NetworkStep::Route {
            dest: cidr(Ipv4Addr::UNSPECIFIED, 0),
            via: Some(GATEWAY.into()),
        },
        NetworkStep::Masquerade {
            source: addr,
            bridge: bridge(),
        },
    ];
    steps.extend(ports.iter().map(|mapping| NetworkStep::Publish {
        mapping: mapping.clone(),
        to: container(n),
        bridge: bridge(),
    }));
    NetworkPlan {
        namespace: NetworkNamespace::Private,
        steps,
        leases: vec![],
    }
}

fn tcp(host_addr: Ipv4Addr, host_port: u16) -> PortMapping {
    PortMapping {
        protocol: Protocol::Tcp,
        host_addr,
        host_port,
        container_port: 80,
    }
}

fn any(host_port: u16) -> PortMapping {
    tcp(Ipv4Addr::UNSPECIFIED, host_port)
}

/// Serves inside `netns`: every client is told its address.
fn serve(netns: BorrowedFd<'_>) {
    let listener = in_namespace(netns, || TcpListener::bind("0.0.0.0:80"))
        .unwrap()
        .unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let peer = client.peer_addr().unwrap().ip();
            let _ = client.write_all(peer.to_string().as_bytes());
        }
    });
}

/// Connects from `netns` and returns the address the server saw.
fn ask(netns: BorrowedFd<'_>, addr: Ipv4Addr, port: u16, patience: Duration) -> Option<Ipv4Addr> {
    in_namespace(netns, || {
        let addr = SocketAddr::new(addr.into(), port);
        let mut stream = TcpStream::connect_timeout(&addr, patience).ok()?;
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.parse().ok()
    })
    .unwrap()
}

/// The calling thread's namespace.
fn here() -> Namespace {
    Namespace::current().unwrap()
}

fn links() -> Vec<String> {
    let links = RouteSocket::open().unwrap().links().unwrap();
    links.into_iter().map(|l| l.name).collect()
}

#[test]
fn two_containers_of_a_network_reach_each_other_and_the_outside() {
    on_host(|context| {
        let lan = neighbour();
        let one = attach(&plan(2, &[]), "e1", context).unwrap();
        let two = attach(&plan(3, &[]), "e2", context).unwrap();
        serve(two.netns().unwrap());
        serve(lan.fd.as_fd());
        let one = one.netns().unwrap();
        assert_eq!(ask(one, container(3), 80, PATIENCE), Some(container(2)));
        // Masqueraded: the neighbour sees the host.
        assert_eq!(ask(one, NEIGHBOUR, 80, PATIENCE), Some(HOST_ON_LAN));
        // From the host itself.
        assert_eq!(
            ask(here().fd.as_fd(), container(3), 80, PATIENCE),
            Some(GATEWAY)
        );
    });
}

#[test]
fn datagrams_pass_between_containers() {
    on_host(|context| {
        let one = attach(&plan(2, &[]), "e1", context).unwrap();
        let two = attach(&plan(3, &[]), "e2", context).unwrap();
        let bind =
            |a: &Attached| in_namespace(a.netns().unwrap(), || UdpSocket::bind("0.0.0.0:53"));
        let (a, b) = (bind(&one).unwrap().unwrap(), bind(&two).unwrap().unwrap());
        a.send_to(b"ping", (container(3), 53)).unwrap();
        b.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 8];
        let (length, from) = b.recv_from(&mut buffer).unwrap();
        assert_eq!(
            (&buffer[..length], from.ip()),
            (&b"ping"[..], container(2).into())
        );
    });
}

#[test]
fn a_published_port_answers_on_every_way_to_it() {
    on_host(|context| {
        let lan = neighbour();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        let client = attach(&plan(3, &[]), "client", context).unwrap();
        let (server, client) = (server.netns().unwrap(), client.netns().unwrap());
        serve(server);
        let host = here();
        let host = host.fd.as_fd();
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
        assert_eq!(ask(host, HOST_ON_LAN, 8080, PATIENCE), Some(HOST_ON_LAN));
        assert_eq!(ask(host, GATEWAY, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(
            ask(host, Ipv4Addr::LOCALHOST, 8080, PATIENCE),
            Some(GATEWAY)
        );
        // From a neighbour on the bridge, and from the container itself.
        assert_eq!(ask(client, HOST_ON_LAN, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(ask(client, GATEWAY, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(ask(server, HOST_ON_LAN, 8080, PATIENCE), Some(GATEWAY));
    });
}

#[test]
fn a_port_published_on_one_address_answers_there_only() {
    on_host(|context| {
        let lan = neighbour();
        let ports = [tcp(Ipv4Addr::LOCALHOST, 8080), tcp(HOST_ON_LAN, 9090)];
        let server = attach(&plan(2, &ports), "server", context).unwrap();
        serve(server.netns().unwrap());
        let (host, lan) = (here(), lan.fd.as_fd());
        let host = host.fd.as_fd();
        assert!(ask(host, Ipv4Addr::LOCALHOST, 8080, PATIENCE).is_some());
        assert_eq!(ask(lan, HOST_ON_LAN, 8080, DROPPED), None);
        assert_eq!(ask(lan, HOST_ON_LAN, 9090, PATIENCE), Some(NEIGHBOUR));
        assert_eq!(ask(host, GATEWAY, 9090, DROPPED), None);
    });
}

#[test]
fn datagrams_reach_a_published_port() {
    on_host(|context| {
        let mapping = PortMapping {
            protocol: Protocol::Udp,
            host_addr: Ipv4Addr::UNSPECIFIED,
            host_port: 5353,
            container_port: 53,
        };
        let server = attach(&plan(2, &[mapping]), "server", context).unwrap();
        let netns = server.netns().unwrap();
        let inside = in_namespace(netns, || UdpSocket::bind("0.0.0.0:53"))
            .unwrap()
            .unwrap();
        inside.set_read_timeout(Some(PATIENCE)).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"ping", "127.0.0.1:5353").unwrap();
        let mut buffer = [0; 8];
        let (_, from) = inside.recv_from(&mut buffer).unwrap();
        inside.send_to(b"pong", from).unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"pong");
        assert_eq!(from, "127.0.0.1:5353".parse().unwrap());
    });
}

#[test]
fn what_is_not_published_is_not_reachable_from_outside_nor_from_other_networks() {
    on_host(|context| {
        let lan = neighbour();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        serve(server.netns().unwrap());
        assert_eq!(ask(lan.fd.as_fd(), container(2), 80, DROPPED), None);
        let other = other_network();
        let stranger = attach(&other, "stranger", context).unwrap();
        let stranger = stranger.netns().unwrap();
        assert_eq!(ask(stranger, container(2), 80, DROPPED), None);
        // By the published port it may.
        assert!(ask(stranger, HOST_ON_LAN, 8080, PATIENCE).is_some());
    });
}

/// A container on a second bridge.
fn other_network() -> NetworkPlan {
    let name = IfName::new("br-other").unwrap();
    let eth0 = IfName::new("eth0").unwrap();
    let gateway = Ipv4Addr::new(172, 31, 0, 1);
    let addr = cidr(gateway, 16);
    let steps = vec![
        NetworkStep::Bridge {
            name: name.clone(),
            addr,
        },
        NetworkStep::Veth {
            inner: eth0.clone(),
            bridge: Some(name.clone()),
            mtu: 1500,
        },
        NetworkStep::Addr {
            ifname: eth0,
            addr: cidr(Ipv4Addr::new(172, 31, 0, 2), 16),
        },
        NetworkStep::Route {
            dest: cidr(Ipv4Addr::UNSPECIFIED, 0),
            via: Some(gateway.into()),
        },
        NetworkStep::Masquerade {
            source: addr,
            bridge: name,
        },
    ];
    NetworkPlan {
        namespace: NetworkNamespace::Private,
        steps,
        leases: vec![],
    }
}

/// CVE-2020-8558: `route_localnet` lets a container that addresses packets to
/// 127.0.0.1 to the host reach services that trust the loopback.
#[test]
fn a_container_cannot_reach_the_hosts_loopback() {
    on_host(|context| {
        serve_on_loopback();
        let mut attached = attach(&plan(2, &[]), "e1", context).unwrap();
        let netns = attached.netns().unwrap();
        in_namespace(netns, send_loopback_to_the_gateway).unwrap();
        let loopback = Ipv4Addr::LOCALHOST;
        assert_eq!(ask(netns, loopback, 80, DROPPED), None);
        // The guard it is that keeps it out.
        context.delete_table().unwrap();
        assert_eq!(ask(netns, loopback, 80, PATIENCE), Some(container(2)));
        attached = attach(&plan(3, &[]), "e2", context).unwrap();
        drop(attached);
    });
}

fn serve_on_loopback() {
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let peer = client.peer_addr().unwrap().ip();
            let _ = client.write_all(peer.to_string().as_bytes());
        }
    });
}

/// What a root process with CAP_NET_ADMIN inside could do.
fn send_loopback_to_the_gateway() {
    let mut route = RouteSocket::open().unwrap();
    // Without its address, 127.0.0.1 is nothing special to this namespace.
    let flush = ["address", "flush", "dev", "lo"];
    let status = std::process::Command::new("ip").args(flush).status();
    assert!(status.expect("iproute2 is installed").success());
    std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
    let dest = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0));
    let via = Some(IpAddr::V4(GATEWAY));
    route
        .add_route(&Route {
            dest,
            prefix: 8,
            via,
            link: 0,
        })
        .unwrap();
}

#[test]
fn the_inside_is_as_docker_has_it() {
    on_host(|context| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        let attached = attach(&plan(2, &[]), "e1", context).unwrap();
        in_namespace(attached.netns().unwrap(), || {
            let mut route = RouteSocket::open().unwrap();
            let eth0 = route.link("eth0").unwrap().unwrap();
            assert_eq!(eth0.mac, [0x02, 0x42, 172, 30, 0, 2]);
            assert!(eth0.up && route.link("lo").unwrap().unwrap().up);
            let addresses = route.addresses().unwrap();
            let of_eth0: Vec<_> = addresses.iter().filter(|a| a.link == eth0.index).collect();
            assert_eq!(of_eth0.len(), 1, "no IPv6 on eth0: {of_eth0:?}");
        })
        .unwrap();
        let bridge_v6 = "/proc/sys/net/ipv6/conf/br-test/disable_ipv6";
        assert_eq!(std::fs::read_to_string(bridge_v6).unwrap(), "1\n");
        assert!(context.forwarding_was_off());
    });
}

#[test]
fn a_failing_step_leaves_no_link_and_no_port() {
    on_host(|context| {
        let before = attach(&plan(2, &[any(8080)]), "first", context).unwrap();
        let links_before = links();
        let listening = TcpListener::bind("0.0.0.0:9000").unwrap();
        let mut failing = plan(3, &[any(8081), any(9000)]);
        let error = attach(&failing, "second", context).unwrap_err();
        let text = "listen tcp4 0.0.0.0:9000: bind: address already in use";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(links(), links_before);
        assert_eq!(published(context).unwrap().len(), 1);
        // The socket of 8081 was given back as well.
        drop(TcpListener::bind("0.0.0.0:8081").unwrap());
        drop(listening);
        failing.steps.push(NetworkStep::Route {
            dest: cidr(Ipv4Addr::new(10, 0, 0, 0), 8),
            via: Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))),
        });
        let error = attach(&failing, "second", context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot configure 10.0.0.0/8 in the container"
        );
        assert_eq!(links(), links_before);
        assert_eq!(published(context).unwrap().len(), 1);
        drop(before);
        assert!(published(context).unwrap().is_empty());
        assert!(!links().contains(&outer_name("first", 0)));
    });
}

#[test]
fn a_port_is_given_to_one_endpoint_only() {
    on_host(|context| {
        let mut first = attach(&plan(2, &[any(8080)]), "first", context).unwrap();
        for mapping in [any(8080), tcp(Ipv4Addr::LOCALHOST, 8080)] {
            let error = attach(&plan(3, std::slice::from_ref(&mapping)), "second", context);
            let wanted = format!(
                "Bind for {}:8080 failed: port is already allocated",
                mapping.host_addr
            );
            assert_eq!(error.unwrap_err().to_string(), wanted);
        }
        drop(first);
        first = attach(
            &plan(2, &[tcp(Ipv4Addr::LOCALHOST, 8080)]),
            "first",
            context,
        )
        .unwrap();
        let error = attach(&plan(3, &[any(8080)]), "second", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        // Nor to a process of the host, while the reservation is held.
        let connection = first.keep();
        assert!(TcpListener::bind("127.0.0.1:8080").is_err());
        drop(connection);
        assert!(TcpListener::bind("127.0.0.1:8080").is_ok());
    });
}

#[test]
fn free_ports_are_free_and_differ() {
    on_host(|context| {
        let addr = Ipv4Addr::UNSPECIFIED;
        let listening = TcpListener::bind("0.0.0.0:32768").unwrap();
        let published = attach(&plan(2, &[any(32769)]), "e1", context)
            .unwrap()
            .keep();
        drop(published);
        let one = free_port(Protocol::Tcp, addr, context).unwrap();
        let two = free_port(Protocol::Tcp, addr, context).unwrap();
        assert_eq!((one, two), (32770, 32771));
        drop(listening);
    });
}

#[test]
fn detaching_takes_everything_and_may_be_repeated() {
    on_host(|context| {
        let plan = plan(2, &[any(8080), tcp(Ipv4Addr::LOCALHOST, 8081)]);
        let connection = attach(&plan, "e1", context).unwrap().keep();
        assert_eq!(published(context).unwrap().len(), 2);
        detach(&plan, "e1", context).unwrap();
        assert!(published(context).unwrap().is_empty());
        // The port is dead although something keeps the namespace alive.
        let netns = connection.netns.as_ref().unwrap().as_fd();
        serve(netns);
        assert_eq!(ask(here().fd.as_fd(), container(2), 80, DROPPED), None);
        detach(&plan, "e1", context).unwrap();
        wait_until_gone(&outer_name("e1", 0));
        detach(&plan, "e1", context).unwrap();
        drop(connection);
    });
}

#[test]
fn an_endpoint_can_be_attached_again_at_once() {
    on_host(|context| {
        let plan = plan(2, &[any(8080)]);
        for _ in 0..3 {
            let connection = attach(&plan, "e1", context).unwrap().keep();
            assert!(
                ask(
                    connection.netns.as_ref().unwrap().as_fd(),
                    GATEWAY,
                    1,
                    DROPPED
                )
                .is_none()
            );
            detach(&plan, "e1", context).unwrap();
            drop(connection);
        }
        let connection = attach(&plan, "e1", context).unwrap().keep();
        serve(connection.netns.as_ref().unwrap().as_fd());
        // Beyond the time after which links given up are deleted.
        std::thread::sleep(Duration::from_millis(2500));
        assert!(ask(here().fd.as_fd(), container(2), 80, PATIENCE).is_some());
    });
}

fn wait_until_gone(link: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while links().iter().any(|name| name == link) {
        assert!(Instant::now() < deadline, "{link} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn removing_a_network_leaves_nothing() {
    on_host(|context| {
        let before = links();
        let plan = plan(2, &[any(8080)]);
        let connection = attach(&plan, "e1", context).unwrap().keep();
        detach(&plan, "e1", context).unwrap();
        drop(connection);
        wait_until_gone(&outer_name("e1", 0));
        for _ in 0..2 {
            remove_network(&bridge(), context).unwrap();
        }
        assert_eq!(links(), before);
        let mut filter = FilterSocket::open().unwrap();
        for set in [
            "bridges",
            "local",
            "subnets",
            "published_any",
            "published_addr",
        ] {
            assert!(filter.elements(TABLE, set).unwrap().is_empty(), "{set}");
        }
        for _ in 0..2 {
            context.delete_table().unwrap();
        }
        assert!(filter.elements(TABLE, "bridges").is_err());
    });
}

#[test]
fn a_bridge_is_made_once_and_checked_afterwards() {
    on_host(|context| {
        let same = plan(2, &[]);
        let one = attach(&same, "e1", context).unwrap();
        drop(attach(&plan(3, &[]), "e2", context).unwrap());
        let mut moved = plan(4, &[]);
        moved.steps[0] = NetworkStep::Bridge {
            name: bridge(),
            addr: cidr(Ipv4Addr::new(172, 30, 0, 9), 16),
        };
        let error = attach(&moved, "e3", context).unwrap_err().to_string();
        assert_eq!(
            error,
            "bridge br-test has the address 172.30.0.1/16 instead of 172.30.0.9/16"
        );
        moved.steps[0] = NetworkStep::Bridge {
            name: IfName::new("lo").unwrap(),
            addr: cidr(GATEWAY, 16),
        };
        let error = attach(&moved, "e3", context).unwrap_err();
        assert!(matches!(error, NetworkError::NotABridge { .. }), "{error}");
        drop(one);
    });
}

#[test]
fn rules_come_back_after_the_ruleset_was_flushed() {
    on_host(|context| {
        let lan = neighbour();
        let plan = plan(2, &[any(8080)]);
        let connection = attach(&plan, "server", context).unwrap().keep();
        serve(connection.netns.as_ref().unwrap().as_fd());
        // Another process's doing.
        NetworkContext::open(TABLE).unwrap().delete_table().unwrap();
        assert_eq!(ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, DROPPED), None);
        for _ in 0..2 {
            restore(&plan, "server", context).unwrap();
        }
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
        // A daemon that starts anew finds what is there.
        let restarted = NetworkContext::open(TABLE).unwrap();
        assert_eq!(published(&restarted).unwrap()[0].endpoint, "server");
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
    });
}

#[test]
fn two_daemons_do_not_touch_each_other() {
    on_host(|context| {
        let second = NetworkContext::open("bulkhead-second").unwrap();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        serve(server.netns().unwrap());
        drop(attach(&other_network(), "stranger", &second).unwrap());
        second.delete_table().unwrap();
        assert!(ask(here().fd.as_fd(), Ipv4Addr::LOCALHOST, 8080, PATIENCE).is_some());
        // The reservation keeps the other from taking the port.
        let error = attach(&plan(3, &[any(8080)]), "thief", &second).unwrap_err();
        assert!(
            matches!(error, NetworkError::PortUnavailable { .. }),
            "{error}"
        );
    });
}

#[test]
fn a_foreign_chain_that_drops_is_reported() {
    on_host(|context| {
        in_foreign_table_drop_forwarded();
        let connection = attach(&plan(2, &[]), "e1", context).unwrap().keep();
        let [warning] = connection.warnings.as_slice() else {
            panic!("one warning: {:?}", connection.warnings);
        };
        assert!(
            warning.contains("chain FORWARD of table filter drops"),
            "{warning}"
        );
    });
}

/// `nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'`
fn in_foreign_table_drop_forwarded() {
    let spec = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }";
    let status = std::process::Command::new("nft")
        .arg(spec)
        .status()
        .expect("nftables is installed");
    assert!(status.success());
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    on_host(|context| {
        let mut host = plan(2, &[]);
        host.namespace = NetworkNamespace::Host;
        let error = attach(&host, "e1", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let mut order = plan(2, &[]);
        order.steps.swap(1, 2);
        let error = attach(&order, "e1", context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no such interface in the container: eth0"
        );
        let mut no_bridge = plan(2, &[]);
        no_bridge.steps.remove(0);
        remove_network(&bridge(), context).unwrap();
        let error = attach(&no_bridge, "e1", context).unwrap_err();
        assert_eq!(error.to_string(), "no such bridge: br-test");
    });
}

#[test]
fn host_and_none_need_nothing() {
    on_host(|context| {
        let host = NetworkPlan {
            namespace: NetworkNamespace::Host,
            ..NetworkPlan::default()
        };
        assert!(attach(&host, "e1", context).unwrap().keep().netns.is_none());
        let none = NetworkPlan::default();
        let attached = attach(&none, "e1", context).unwrap();
        let names = in_namespace(attached.netns().unwrap(), links).unwrap();
        assert!(names.contains(&"lo".to_owned()) && !names.contains(&"eth0".to_owned()));
        detach(&none, "e1", context).unwrap();
    });
}

#[test]
fn a_kernel_without_nfnetlink_is_named_and_still_runs_containers_without_a_bridge() {
    on_host(|context| {
        without_netfilter();
        let bridged = plan(2, &[any(8080)]);
        let error = attach(&bridged, "e1", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.ends_with("needs nfnetlink)"), "{source}");
        detach(&bridged, "e1", context).unwrap();
        assert!(attach(&NetworkPlan::default(), "e2", context).is_ok());
    });
}

/// From now on this thread's kernel knows no NETLINK_NETFILTER.
fn without_netfilter() {
    let equals = |argument, value| Condition {
        argument,
        comparison: Comparison::Equal,
        value,
        low_half: true,
    };
    const AF_NETLINK: u64 = 16;
    const NETLINK_NETFILTER: u64 = 12;
    let refuse = Rule {
        when: vec![equals(0, AF_NETLINK), equals(2, NETLINK_NETFILTER)],
        action: Action::Errno(nix::libc::EPROTONOSUPPORT),
    };
    let rules = Rules {
        architecture: Architecture::NATIVE,
        calls: [(nix::libc::SYS_socket as u32, vec![refuse])].into(),
        otherwise: Action::Allow,
    };
    bulkhead_sys::process::set_no_new_privs().unwrap();
    Filter::assemble(&[rules]).load().unwrap();
}

#[test]
fn the_subnet_picked_is_not_in_use_on_the_host() {
    on_host(|context| {
        let first = pick_subnet(&[], context).unwrap();
        let attached = attach(&plan(2, &[]), "e1", context).unwrap();
        let all_but_two: Vec<Cidr> = (17..=29)
            .map(|b| cidr(Ipv4Addr::new(172, b, 0, 0), 16))
            .collect();
        assert!(!all_but_two.is_empty() && first.prefix == 16);
        // 172.30.0.0/16 is the bridge's by now.
        assert_eq!(
            pick_subnet(&all_but_two, context).unwrap(),
            cidr(Ipv4Addr::new(172, 31, 0, 1), 16)
        );
        drop(attached);
    });
}

#[test]
fn names_of_links_follow_from_the_endpoint() {
    let id = "3F4e5d6c7b8a9900112233445566778899aabbccddeeff00112233445566778899";
    assert_eq!(outer_name(id, 0), "bh3f4e5d6c7b8");
    assert_ne!(outer_name(id, 0), outer_name(id, 1));
    for endpoint in ["e1", "", "not-hexadecimal", "ünïcödé-12"] {
        assert!(
            IfName::new(&outer_name(endpoint, 0)).is_some(),
            "{endpoint}"
        );
    }
    assert_eq!(outer_name("e1", 0), outer_name("e1", 0));
}
