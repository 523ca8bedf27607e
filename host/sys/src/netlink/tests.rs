use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use super::*;

/// A namespace to play in, with a socket of its own.
fn fresh() -> Namespace {
    Namespace::create().expect("needs root")
}

#[test]
fn a_new_namespace_has_loopback_up_and_leaves_the_process_where_it_is() {
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let mut namespace = fresh();
    let lo = namespace.route.link("lo").unwrap().unwrap();
    assert!(lo.up);
    let addresses = namespace.route.addresses().unwrap();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(addresses.iter().any(|a| a.addr == loopback));
    assert_eq!(
        std::fs::read_link("/proc/thread-self/ns/net").unwrap(),
        here
    );
}

#[test]
fn a_veth_pair_is_made_up_in_its_bridge_and_in_the_other_namespace_by_one_message() {
    let (mut host, mut inside) = (fresh(), fresh());
    host.route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap();
    let bridge = host.route.link("br0").unwrap().unwrap();
    assert_eq!((bridge.kind.as_str(), bridge.up), ("bridge", true));
    assert_eq!(bridge.alias, "ours");
    let mac = [0x02, 0x42, 10, 0, 0, 2];
    host.route
        .create_veth(&Veth {
            name: "v0",
            master: Some(bridge.index),
            hairpin: true,
            isolated: false,
            mtu: 1400,
            peer: Peer {
                name: "eth0",
                mac: Some(mac),
                namespace: inside.fd.as_fd(),
            },
        })
        .unwrap();
    let outer = host.route.link("v0").unwrap().unwrap();
    assert_eq!(
        (outer.master, outer.mtu, outer.up),
        (bridge.index, 1400, true)
    );
    let inner = inside.route.bring_up("eth0").unwrap().unwrap();
    assert!(inside.route.bring_up("eth1").unwrap().is_none());
    assert_eq!((inner.mac, inner.mtu, inner.up), (mac.to_vec(), 1400, true));
    assert_eq!(inner.kind, "veth");

    let addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    let via = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let address = Address {
        link: inner.index,
        addr,
        prefix: 24,
    };
    inside.route.add_address(&address).unwrap();
    assert!(inside.route.addresses().unwrap().contains(&address));
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let route = Route {
        dest: any,
        prefix: 0,
        via: Some(via),
        link: inner.index,
    };
    inside.route.add_route(&route).unwrap();
    assert!(inside.route.routes().unwrap().contains(&route));
    let names: Vec<_> = host
        .route
        .links()
        .unwrap()
        .into_iter()
        .map(|l| l.name)
        .collect();
    assert!(names.iter().any(|n| n == "v0") && names.iter().any(|n| n == "br0"));
}

#[test]
fn the_far_end_goes_with_the_namespace() {
    let (mut host, inside) = (fresh(), fresh());
    let peer = Peer {
        name: "eth0",
        mac: None,
        namespace: inside.fd.as_fd(),
    };
    host.route
        .create_veth(&Veth {
            name: "v0",
            master: None,
            hairpin: false,
            isolated: false,
            mtu: 1500,
            peer,
        })
        .unwrap();
    drop(inside);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while host.route.link("v0").unwrap().is_some() {
        assert!(
            std::time::Instant::now() < deadline,
            "v0 outlived its peer's namespace"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_disabled_port_stays_until_it_is_deleted_and_deleting_twice_is_fine() {
    let (mut host, inside) = (fresh(), fresh());
    host.route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap();
    let bridge = host.route.link("br0").unwrap().unwrap();
    let peer = Peer {
        name: "eth0",
        mac: None,
        namespace: inside.fd.as_fd(),
    };
    host.route
        .create_veth(&Veth {
            name: "v0",
            master: None,
            hairpin: false,
            isolated: false,
            mtu: 1500,
            peer,
        })
        .unwrap();
    let port = host.route.link("v0").unwrap().unwrap();
    host.route.set_master(port.index, bridge.index).unwrap();
    host.route.disable_port(port.index).unwrap();
    host.route.set_down(port.index).unwrap();
    host.route.set_up(port.index).unwrap();
    assert!(host.route.delete_link("v0").unwrap());
    assert!(!host.route.delete_link("v0").unwrap());
}

#[test]
fn an_error_names_the_call_the_arguments_and_the_reason() {
    let mut host = fresh();
    host.route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap();
    let error = host
        .route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap_err();
    assert_eq!(error.errno(), libc::EEXIST);
    assert_eq!(error.to_string(), "RTM_NEWLINK(bridge br0)");
    let address = Address {
        link: 99,
        addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        prefix: 24,
    };
    let error = host.route.add_address(&address).unwrap_err();
    assert_eq!(error.errno(), libc::ENODEV);
    assert!(
        error
            .to_string()
            .starts_with("RTM_NEWADDR(10.0.0.1/24, link 99"),
        "{error}"
    );
    // The socket is in step again after an error.
    assert!(host.route.link("br0").unwrap().is_some());
}

#[test]
fn malformed_attributes_end_the_iteration() {
    assert_eq!(attributes(&[3, 0, 1, 0, 9]).count(), 0);
    assert_eq!(attributes(&[200, 0, 1, 0, 9]).count(), 0);
    assert_eq!(attributes(&[4, 0, 1, 0, 5, 0, 2, 0, 7]).count(), 2);
    assert_eq!(attributes(&[]).count(), 0);
}

#[test]
fn a_macvlan_appears_in_the_other_namespace_and_a_vlan_here_where_the_kernel_has_them() {
    let (mut host, mut inside) = (fresh(), fresh());
    host.route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap();
    let parent = host.route.link("br0").unwrap().unwrap();
    let made = host.route.create_vlan("br0.10", parent.index, 10, "ours");
    match made {
        Err(error) if error.errno() == libc::EOPNOTSUPP => {}
        other => {
            other.unwrap();
            let vlan = host.route.link("br0.10").unwrap().unwrap();
            let shown = (vlan.kind.as_str(), vlan.alias.as_str(), vlan.up);
            assert_eq!(shown, ("vlan", "ours", true));
        }
    }
    let mac = [2, 0, 0, 0, 0, 7];
    let shared = SharedLink {
        name: "eth0",
        parent: parent.index,
        sharing: Sharing::Macvlan(4),
        mtu: 1400,
        mac: Some(mac),
        namespace: inside.fd.as_fd(),
    };
    host.route.create_shared(&shared).unwrap();
    let inner = inside.route.bring_up("eth0").unwrap().unwrap();
    assert_eq!(
        (inner.kind.as_str(), inner.mtu, inner.mac.as_slice()),
        ("macvlan", 1400, &mac[..])
    );
}

#[test]
fn a_default_route_is_replaced_and_routes_of_both_families_are_listed() {
    let mut host = fresh();
    host.route
        .create_bridge("br0", [2, 0, 0, 0, 0, 1], "ours")
        .unwrap();
    let link = host.route.link("br0").unwrap().unwrap().index;
    std::thread::scope(|scope| {
        let fd = host.fd.as_fd();
        scope.spawn(move || {
            in_namespace(fd, || {
                std::fs::write("/proc/sys/net/ipv6/conf/br0/disable_ipv6", "0").unwrap();
            })
            .unwrap();
        });
    });
    for (addr, prefix, first, second) in [
        ("10.0.0.2", 24, "10.0.0.1", "10.0.0.3"),
        ("fd00::2", 64, "fd00::1", "fd00::3"),
    ] {
        let addr: IpAddr = addr.parse().unwrap();
        let address = Address { link, addr, prefix };
        host.route.add_address(&address).unwrap();
        let dest = match addr {
            IpAddr::V4(_) => "0.0.0.0".parse().unwrap(),
            IpAddr::V6(_) => "::".parse().unwrap(),
        };
        for via in [first, second] {
            let route = Route {
                dest,
                prefix: 0,
                via: via.parse().ok(),
                link: 0,
            };
            host.route.replace_route(&route).unwrap();
        }
        let routes = host.route.routes().unwrap();
        let default: Vec<_> = routes
            .iter()
            .filter(|r| r.prefix == 0 && r.dest == dest)
            .collect();
        assert_eq!(default.len(), 1, "{default:?}");
        assert_eq!(default[0].via, second.parse().ok());
    }
}
