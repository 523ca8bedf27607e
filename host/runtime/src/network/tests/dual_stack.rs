//! IPv6 beside IPv4, and alone.

use std::net::Ipv6Addr;

use super::*;

const GATEWAY_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 1);
const HOST_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, 1);
const NEIGHBOUR_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, 2);

fn cidr_6(addr: Ipv6Addr) -> Cidr {
    Cidr {
        addr: addr.into(),
        prefix: 64,
    }
}

fn container_6(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, n)
}

/// [`plan`] with an IPv6 subnet beside the IPv4 one.
fn dual(n: u8, ports: &[PortMapping]) -> NetworkPlan {
    let mut plan = plan(n, &[]);
    if let NetworkStep::Bridge { addrs, .. } = &mut plan.steps[0] {
        addrs.push(cidr_6(GATEWAY_6));
    }
    let own = container_6(n.into());
    plan.steps.extend([
        NetworkStep::Addr {
            ifname: IfName::new("eth0").unwrap(),
            addr: cidr_6(own),
        },
        NetworkStep::Route {
            dest: Cidr::any(Family::V6),
            via: Some(GATEWAY_6.into()),
        },
        NetworkStep::Masquerade {
            source: cidr_6(GATEWAY_6).subnet(),
            bridge: bridge(),
        },
    ]);
    for mapping in ports {
        plan.steps.push(NetworkStep::Publish {
            mapping: mapping.clone(),
            to: match mapping.host_addr {
                IpAddr::V4(_) => container(n).into(),
                IpAddr::V6(_) => own.into(),
            },
            bridge: bridge(),
        });
    }
    plan
}

fn any_6(host_port: u16) -> PortMapping {
    PortMapping {
        host_addr: Ipv6Addr::UNSPECIFIED.into(),
        ..any(host_port)
    }
}

/// [`neighbour`] with IPv6 addresses on both sides.
fn neighbour_6() -> Namespace {
    let mut lan = neighbour();
    let open = |name: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        std::fs::write(path, "0").unwrap();
    };
    open("lan0");
    in_namespace(lan.fd.as_fd(), || open("eth0")).unwrap();
    let mut host = RouteSocket::open().unwrap();
    for (route, name, addr) in [
        (&mut host, "lan0", HOST_6),
        (&mut lan.route, "eth0", NEIGHBOUR_6),
    ] {
        let link = route.link(name).unwrap().unwrap().index;
        let addr = addr.into();
        let address = Address {
            link,
            addr,
            prefix: 64,
        };
        route.add_address(&address).unwrap();
    }
    let to_containers = Route {
        dest: Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 0).into(),
        prefix: 64,
        via: Some(HOST_6.into()),
        link: 0,
    };
    lan.route.add_route(&to_containers).unwrap();
    lan
}

#[test]
fn containers_reach_each_other_and_the_outside_by_both_families() {
    on_host(|context| {
        let lan = neighbour_6();
        let one = attach(&dual(2, &[]), "e1", context).unwrap();
        let two = attach(&dual(3, &[]), "e2", context).unwrap();
        serve(two.netns().unwrap());
        serve(lan.fd.as_fd());
        let one = one.netns().unwrap();
        assert_eq!(ask(one, container(3), 80, PATIENCE), Some(container(2)));
        assert_eq!(ask(one, container_6(3), 80, PATIENCE), Some(container_6(2)));
        // Masqueraded: the neighbour sees the host.
        assert_eq!(ask(one, NEIGHBOUR_6, 80, PATIENCE), Some(HOST_6));
        let host = here();
        assert_eq!(
            ask(host.fd.as_fd(), container_6(3), 80, PATIENCE),
            Some(GATEWAY_6)
        );
        assert!(context.forwarding_was_off(Family::V6));
    });
}

#[test]
fn a_port_published_on_ipv6_answers_on_every_way_to_it_and_nothing_else_does() {
    on_host(|context| {
        let lan = neighbour_6();
        let server = attach(&dual(2, &[any(8080), any_6(8080)]), "server", context).unwrap();
        let client = attach(&dual(3, &[]), "client", context).unwrap();
        let (server, client) = (server.netns().unwrap(), client.netns().unwrap());
        serve(server);
        let (host, lan) = (here(), lan.fd.as_fd());
        let host = host.fd.as_fd();
        assert_eq!(ask(lan, HOST_6, 8080, PATIENCE), Some(NEIGHBOUR_6));
        assert_eq!(ask(lan, HOST_ON_LAN, 8080, PATIENCE), Some(NEIGHBOUR));
        assert_eq!(ask(host, HOST_6, 8080, PATIENCE), Some(HOST_6));
        // Hairpin: from a neighbour on the bridge, and from the container itself.
        assert_eq!(ask(client, HOST_6, 8080, PATIENCE), Some(GATEWAY_6));
        assert_eq!(ask(server, HOST_6, 8080, PATIENCE), Some(GATEWAY_6));
        // Not published.
        assert_eq!(ask(lan, container_6(2), 80, DROPPED), None);
        assert_eq!(ask(lan, container_6(3), 80, DROPPED), None);
    });
}

#[test]
fn the_families_ports_are_apart_and_each_is_given_once() {
    on_host(|context| {
        let first = attach(&dual(2, &[any_6(8080)]), "first", context).unwrap();
        let error = attach(&dual(3, &[any_6(8080)]), "second", context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Bind for [::]:8080 failed: port is already allocated"
        );
        let second = attach(&dual(3, &[any(8080)]), "second", context).unwrap();
        let all = published(context).unwrap();
        assert_eq!(all.len(), 2, "{all:?}");
        drop(second);
        drop(first);
        assert!(published(context).unwrap().is_empty());
        // A process of the host stands in the way, too.
        let listening = TcpListener::bind("[::]:9000").unwrap();
        let error = attach(&dual(2, &[any_6(9000)]), "first", context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "listen tcp6 [::]:9000: bind: address already in use"
        );
        drop(listening);
    });
}

#[test]
fn rules_of_ipv6_come_back_and_go_with_their_network() {
    on_host(|context| {
        let lan = neighbour_6();
        let plan = dual(2, &[any_6(8080)]);
        let connection = attach(&plan, "server", context).unwrap().keep();
        serve(connection.netns.as_ref().unwrap().as_fd());
        NetworkContext::open(TABLE).unwrap().delete_table().unwrap();
        assert_eq!(ask(lan.fd.as_fd(), HOST_6, 8080, DROPPED), None);
        restore(&plan, "server", context).unwrap();
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_6, 8080, PATIENCE),
            Some(NEIGHBOUR_6)
        );
        detach(&plan, "server", context).unwrap();
        remove_network(&bridge(), context).unwrap();
        let left = std::process::Command::new("nft")
            .args(["list", "ruleset"])
            .output()
            .expect("nftables is installed");
        let left = String::from_utf8_lossy(&left.stdout).into_owned();
        let of_network = |line: &&str| line.contains("br-test") || line.contains("fd00:30");
        assert_eq!(left.lines().find(of_network), None);
    });
}

#[test]
fn the_host_takes_no_router_advertisement_from_a_container() {
    on_host(|context| {
        let one = attach(&dual(2, &[]), "e1", context).unwrap();
        let read = |path: &str| {
            let path = format!("/proc/sys/net/ipv6/conf/{path}");
            std::fs::read_to_string(path).unwrap().trim().to_owned()
        };
        assert_eq!(read("br-test/accept_ra"), "0");
        assert_eq!(read("br-test/disable_ipv6"), "0");
        in_namespace(one.netns().unwrap(), || {
            assert_eq!(read("eth0/accept_ra"), "0");
            let mut route = RouteSocket::open().unwrap();
            let own = route.addresses().unwrap();
            assert!(own.iter().any(|a| a.addr == container_6(2)));
        })
        .unwrap();
    });
}

#[test]
fn many_ports_are_forwarded_and_taken_back_in_one_go() {
    on_host(|context| {
        let many = PortMapping {
            count: 1000,
            ..any(20000)
        };
        let server = attach(&dual(2, std::slice::from_ref(&many)), "server", context).unwrap();
        let mut ports: Vec<_> = published(context).unwrap();
        ports.sort_by_key(|p| p.mapping.host_port);
        assert_eq!(ports.len(), 1000);
        let last = &ports[999].mapping;
        assert_eq!((last.host_port, last.container_port), (20999, 1079));
        let inside = PortMapping {
            count: 1,
            ..any(20500)
        };
        let taken = attach(&dual(3, &[inside]), "thief", context).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict);
        drop(server);
        assert!(published(context).unwrap().is_empty());
    });
}
