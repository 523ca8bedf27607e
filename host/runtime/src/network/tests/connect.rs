//! Connecting, disconnecting and what is left afterwards.

use bulkhead_sys::nft::FilterSocket;

use super::*;

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
fn a_namespace_that_a_user_namespace_owns_is_connected_like_ours() {
    use bulkhead_sys::namespace::Namespaces;
    on_host(|context| {
        let lan = neighbour();
        serve(lan.fd.as_fd());
        let wanted = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET;
        let holder = bulkhead_sys::clone::Holder::new(wanted).unwrap();
        let path = format!("/proc/{}/ns/net", holder.pid());
        let given = std::fs::File::open(path).unwrap();
        drop(holder);
        let plan = plan(2, &[]);
        let one = attach_in(&plan, "e1", context, Some(given.as_fd())).unwrap();
        let inside = one.netns().unwrap();
        assert_eq!(ask(inside, NEIGHBOUR, 80, PATIENCE), Some(HOST_ON_LAN));
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
        assert!(context.forwarding_was_off(Family::V4));
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
        assert!(!links().contains(&outer_name("first", &eth(0))));
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
        wait_until_gone(&outer_name("e1", &eth(0)));
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

#[test]
fn removing_a_network_leaves_nothing() {
    on_host(|context| {
        let before = links();
        let plan = plan(2, &[any(8080)]);
        let connection = attach(&plan, "e1", context).unwrap().keep();
        detach(&plan, "e1", context).unwrap();
        drop(connection);
        wait_until_gone(&outer_name("e1", &eth(0)));
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
            addrs: vec![cidr(Ipv4Addr::new(172, 30, 0, 9), 16)],
        };
        let error = attach(&moved, "e3", context).unwrap_err().to_string();
        assert_eq!(
            error,
            "bridge br-test has the address 172.30.0.1/16 instead of 172.30.0.9/16"
        );
        moved.steps[0] = NetworkStep::Bridge {
            name: IfName::new("lo").unwrap(),
            addrs: vec![cidr(GATEWAY, 16)],
        };
        let error = attach(&moved, "e3", context).unwrap_err();
        assert!(matches!(error, NetworkError::NotABridge { .. }), "{error}");
        drop(one);
    });
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
fn the_subnet_picked_is_not_in_use_on_the_host() {
    on_host(|context| {
        let first = pick_subnet(&[], &DefaultPool::dockers(), context).unwrap();
        let attached = attach(&plan(2, &[]), "e1", context).unwrap();
        let all_but_two: Vec<Cidr> = (17..=29)
            .map(|b| cidr(Ipv4Addr::new(172, b, 0, 0), 16))
            .collect();
        assert!(!all_but_two.is_empty() && first.prefix == 16);
        // 172.30.0.0/16 is the bridge's by now.
        assert_eq!(
            pick_subnet(&all_but_two, &DefaultPool::dockers(), context).unwrap(),
            cidr(Ipv4Addr::new(172, 31, 0, 1), 16)
        );
        drop(attached);
    });
}

#[test]
fn names_of_links_follow_from_the_endpoint() {
    let id = "3F4e5d6c7b8a9900112233445566778899aabbccddeeff00112233445566778899";
    assert_eq!(outer_name(id, &eth(0)), "bh3f4e5d6c7b8");
    assert_ne!(outer_name(id, &eth(0)), outer_name(id, &eth(1)));
    for endpoint in ["e1", "", "not-hexadecimal", "ünïcödé-12"] {
        assert!(
            IfName::new(&outer_name(endpoint, &eth(0))).is_some(),
            "{endpoint}"
        );
    }
    assert_eq!(outer_name("e1", &eth(0)), outer_name("e1", &eth(0)));
}

fn eth(number: usize) -> IfName {
    IfName::new(&format!("eth{number}")).unwrap()
}
