//! On the real kernel, each test in network namespaces of its own: one plays
//! the host, one a neighbour on its network.

mod connect;
mod dual_stack;
mod isolation;
mod published;
mod sublinks;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::network::{
    Cidr, DefaultPool, Family, IfName, NetworkNamespace, NetworkPlan, NetworkStep, PortMapping,
    Protocol,
};
use bulkhead_sys::netlink::{Address, Namespace, Peer, Route, RouteSocket, Veth, in_namespace};

use super::endpoint::outer_name;
use super::*;

const TABLE: &str = "bulkhead-test";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
const HOST_ON_LAN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const PATIENCE: Duration = Duration::from_secs(60);
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
        isolated: false,
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
            addrs: vec![addr],
        },
        NetworkStep::Veth {
            inner: eth0.clone(),
            bridge: Some(bridge()),
            mtu: 1500,
            mac: None,
            isolated: false,
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
        to: container(n).into(),
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
        host_addr: host_addr.into(),
        host_port,
        container_port: 80,
        count: 1,
    }
}

fn any(host_port: u16) -> PortMapping {
    tcp(Ipv4Addr::UNSPECIFIED, host_port)
}

/// Serves inside `netns`, for both families: every client is told its address.
fn serve(netns: BorrowedFd<'_>) {
    let listener = in_namespace(netns, || TcpListener::bind("[::]:80"))
        .unwrap()
        .unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let peer = client.peer_addr().unwrap().ip().to_canonical();
            let _ = client.write_all(peer.to_string().as_bytes());
        }
    });
}

/// Connects from `netns` and returns the address the server saw.
fn ask<A>(netns: BorrowedFd<'_>, addr: A, port: u16, patience: Duration) -> Option<A>
where
    A: Into<IpAddr> + std::str::FromStr + Send,
{
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

/// A container on a second bridge.
fn other_network() -> NetworkPlan {
    let name = IfName::new("br-other").unwrap();
    let eth0 = IfName::new("eth0").unwrap();
    let gateway = Ipv4Addr::new(172, 31, 0, 1);
    let addr = cidr(gateway, 16);
    let steps = vec![
        NetworkStep::Bridge {
            name: name.clone(),
            addrs: vec![addr],
        },
        NetworkStep::Veth {
            inner: eth0.clone(),
            bridge: Some(name.clone()),
            mtu: 1500,
            mac: None,
            isolated: false,
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

fn wait_until_gone(link: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while links().iter().any(|name| name == link) {
        assert!(Instant::now() < deadline, "{link} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}
