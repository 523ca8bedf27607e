//! Interfaces of the host shared by containers, and pairs kept from each other.

use bulkhead_model::network::{MacvlanMode, SubLink};

use super::*;

fn lan_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, n)
}

fn on_lan(n: u8, mode: MacvlanMode) -> NetworkPlan {
    let eth0 = IfName::new("eth0").unwrap();
    NetworkPlan {
        namespace: NetworkNamespace::Private,
        steps: vec![
            NetworkStep::SubLink {
                inner: eth0.clone(),
                parent: IfName::new("lan0").unwrap(),
                kind: SubLink::Macvlan(mode),
                mtu: 1500,
                mac: "02:00:00:00:00:07".parse().ok().filter(|_| n == 7),
            },
            NetworkStep::Addr {
                ifname: eth0,
                addr: cidr(lan_address(n), 24),
            },
            NetworkStep::Route {
                dest: Cidr::any(Family::V4),
                via: Some(NEIGHBOUR.into()),
            },
        ],
        leases: vec![],
    }
}

#[test]
fn a_macvlan_is_on_its_parents_network_and_the_parent_stays() {
    on_host(|context| {
        let lan = neighbour();
        serve(lan.fd.as_fd());
        let one = attach(&on_lan(7, MacvlanMode::Bridge), "e1", context).unwrap();
        let two = attach(&on_lan(8, MacvlanMode::Bridge), "e2", context).unwrap();
        serve(two.netns().unwrap());
        let inside = one.netns().unwrap();
        assert_eq!(ask(inside, NEIGHBOUR, 80, PATIENCE), Some(lan_address(7)));
        assert_eq!(
            ask(inside, lan_address(8), 80, PATIENCE),
            Some(lan_address(7))
        );
        let mac = in_namespace(inside, || {
            let eth0 = RouteSocket::open().unwrap().link("eth0").unwrap().unwrap();
            eth0.mac
        });
        assert_eq!(mac.unwrap(), [2, 0, 0, 0, 0, 7]);
        drop((one, two));
        remove_network(&IfName::new("lan0").unwrap(), context).unwrap();
        assert!(links().contains(&"lan0".to_owned()), "not ours to delete");
    });
}

#[test]
fn private_macvlans_do_not_reach_each_other() {
    on_host(|context| {
        let lan = neighbour();
        serve(lan.fd.as_fd());
        let one = attach(&on_lan(7, MacvlanMode::Private), "e1", context).unwrap();
        let two = attach(&on_lan(8, MacvlanMode::Private), "e2", context).unwrap();
        serve(two.netns().unwrap());
        let one = one.netns().unwrap();
        assert!(ask(one, NEIGHBOUR, 80, PATIENCE).is_some());
        assert_eq!(ask(one, lan_address(8), 80, DROPPED), None);
    });
}

#[test]
fn a_parent_that_is_missing_and_a_kind_the_kernel_lacks_are_named() {
    on_host(|context| {
        let parent = IfName::new("nosuch0").unwrap();
        let error = check_parent("macvlan", &parent, context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parent interface nosuch0 was not found on this host"
        );
        let mut plan = on_lan(7, MacvlanMode::Bridge);
        if let NetworkStep::SubLink { parent: name, .. } = &mut plan.steps[0] {
            *name = parent;
        }
        let error = attach(&plan, "e1", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let lo = IfName::new("lo").unwrap();
        check_parent("macvlan", &lo, context).unwrap();
        let error = check_parent("nosuchkind", &lo, context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this kernel has no nosuchkind links (the module nosuchkind is missing)"
        );
        assert_eq!(links(), ["lo"]);
    });
}

#[test]
fn isolated_containers_reach_the_outside_and_published_ports_but_not_each_other() {
    on_host(|context| {
        let lan = neighbour();
        serve(lan.fd.as_fd());
        let isolated = |n: u8, ports: &[PortMapping]| {
            let mut plan = plan(n, ports);
            for step in &mut plan.steps {
                if let NetworkStep::Veth { isolated, .. } = step {
                    *isolated = true;
                }
            }
            plan
        };
        let one = attach(&isolated(2, &[]), "e1", context).unwrap();
        let two = attach(&isolated(3, &[any(8080)]), "e2", context).unwrap();
        serve(two.netns().unwrap());
        let one = one.netns().unwrap();
        assert_eq!(ask(one, container(3), 80, DROPPED), None);
        assert_eq!(ask(one, NEIGHBOUR, 80, PATIENCE), Some(HOST_ON_LAN));
        let lan = lan.fd.as_fd();
        assert_eq!(ask(lan, HOST_ON_LAN, 8080, PATIENCE), Some(NEIGHBOUR));
    });
}

#[test]
fn a_bridge_of_the_hosts_is_used_and_left_when_the_network_goes() {
    on_host(|context| {
        let mut host = RouteSocket::open().unwrap();
        host.create_bridge("br-test", [2, 0, 0, 0, 0, 9], "somebody's")
            .unwrap();
        drop(attach(&plan(2, &[]), "e1", context).unwrap());
        remove_network(&bridge(), context).unwrap();
        assert!(
            links().contains(&"br-test".to_owned()),
            "not ours to delete"
        );
    });
}
