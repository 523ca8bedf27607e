use std::sync::Arc;

use bulkhead_model::driver::NetworkDriver;
use bulkhead_model::network::{AddressPool, IfName, NetworkConfig};
use bulkhead_model::{PluginError, PluginIdentity};

use super::*;
use crate::networks::NetworkRecord;

struct Unasked;

impl NetworkDriver for Unasked {
    fn identity(&self) -> &PluginIdentity {
        unreachable!("nobody asks")
    }

    fn driver_name(&self) -> &str {
        "bridge"
    }

    fn attach(&self, _: &dyn AddressPool, _: &EndpointRequest) -> Result<NetworkPlan, PluginError> {
        unreachable!("nobody asks")
    }
}

fn network(name: &str, internal: bool) -> Network {
    Network {
        record: NetworkRecord {
            name: name.to_owned(),
            internal,
            ..NetworkRecord::default()
        },
        config: NetworkConfig {
            name: name.to_owned(),
            interface: IfName::new(name),
            gateways: vec!["10.0.0.1/24".parse().unwrap()],
            mtu: 1500,
            options: Vec::new(),
        },
        driver: Arc::new(Unasked),
    }
}

/// As the bridge driver decides for any network.
fn decided(bridge: &str) -> NetworkPlan {
    let eth0 = || IfName::new("eth0").unwrap();
    let bridge = IfName::new(bridge).unwrap();
    let subnet: Cidr = "10.0.0.0/24".parse().unwrap();
    let addr: Cidr = "10.0.0.2/24".parse().unwrap();
    NetworkPlan {
        namespace: NetworkNamespace::Private,
        steps: vec![
            NetworkStep::Bridge {
                name: bridge.clone(),
                addrs: vec!["10.0.0.1/24".parse().unwrap()],
            },
            NetworkStep::Veth {
                inner: eth0(),
                bridge: Some(bridge.clone()),
                mtu: 1500,
                mac: None,
                isolated: false,
            },
            NetworkStep::Addr {
                ifname: eth0(),
                addr,
            },
            NetworkStep::Route {
                dest: "0.0.0.0/0".parse().unwrap(),
                via: "10.0.0.1".parse().ok(),
            },
            NetworkStep::Masquerade {
                source: subnet,
                bridge,
            },
        ],
        leases: vec![addr.addr],
    }
}

fn interfaces(plan: &NetworkPlan) -> Vec<(String, String)> {
    let name = |step: &NetworkStep| match step {
        NetworkStep::Veth { inner, .. } => Some(("link".to_owned(), inner.to_string())),
        NetworkStep::Addr { ifname, .. } => Some(("addr".to_owned(), ifname.to_string())),
        _ => None,
    };
    plan.steps.iter().filter_map(name).collect()
}

fn routes(plan: &NetworkPlan) -> usize {
    let route = |step: &&NetworkStep| matches!(step, NetworkStep::Route { .. });
    plan.steps.iter().filter(route).count()
}

fn member(name: &str) -> Membership {
    Membership {
        network: name.to_owned(),
        name: name.to_owned(),
        aliases: Vec::new(),
        addresses: Vec::new(),
        mac: None,
        gateway_priority: 0,
        driver_options: Default::default(),
        links: Vec::new(),
    }
}

#[test]
fn interfaces_are_counted_on_and_one_network_is_the_way_out() {
    let mut plan = NetworkPlan::default();
    for (nth, name) in ["one", "two"].into_iter().enumerate() {
        let families = [Family::V4];
        let families = &families[..usize::from(nth == 0)];
        let network = network(name, false);
        let more = fitted(decided(name), &network, &member(name), nth, families);
        append(&mut plan, more);
    }
    let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    assert_eq!(
        interfaces(&plan),
        [
            pair("link", "eth0"),
            pair("addr", "eth0"),
            pair("link", "eth1"),
            pair("addr", "eth1")
        ]
    );
    assert_eq!((routes(&plan), plan.leases.len()), (1, 2));
}

#[test]
fn an_internal_network_is_closed_before_anything_is_on_it() {
    let network = network("vault", true);
    let plan = fitted(decided("vault"), &network, &member("vault"), 0, &[]);
    assert!(matches!(plan.steps[0], NetworkStep::Bridge { .. }));
    assert!(matches!(plan.steps[1], NetworkStep::Isolate { .. }));
    let outward = |step: &NetworkStep| {
        matches!(
            step,
            NetworkStep::Route { .. } | NetworkStep::Masquerade { .. }
        )
    };
    assert!(!plan.steps.iter().any(outward), "{:?}", plan.steps);
}

#[test]
fn an_interface_has_the_name_that_was_chosen_for_it() {
    let mut member = member("one");
    let option = "com.docker.network.endpoint.ifname".to_owned();
    member.driver_options.insert(option, "lan0".to_owned());
    let plan = fitted(decided("one"), &network("one", false), &member, 2, &[]);
    let names = interfaces(&plan);
    assert!(names.iter().all(|(_, name)| name == "lan0"), "{names:?}");
}

#[test]
fn the_highest_priority_leads_out_and_the_first_of_equal_ones() {
    let networks = [
        network("inner", true),
        network("one", false),
        network("two", false),
    ];
    let chosen = |priorities: [i64; 3]| way_out(networks.iter().zip(priorities), Family::V4);
    assert_eq!(chosen([9, 0, 0]), Some(1));
    assert_eq!(chosen([0, 0, 1]), Some(2));
    assert_eq!(chosen([0, -1, -2]), Some(1));
    let v6 = way_out(networks.iter().map(|n| (n, 0)), Family::V6);
    assert_eq!(v6, None);
}

#[test]
fn a_chosen_address_is_what_the_driver_gets_of_its_family() {
    let pools = Pools::default();
    let (v4, v6) = (
        "10.0.0.1/24".parse().unwrap(),
        "fd00::1/64".parse().unwrap(),
    );
    for gateway in [v4, v6] {
        pools.add("shop", crate::address_pool::Pool::new(gateway));
    }
    let addresses = ["10.0.0.77".parse().unwrap()];
    let chosen = Chosen {
        pools: &pools,
        addresses: &addresses,
    };
    assert_eq!(chosen.allocate("shop", &v4), Some(addresses[0]));
    assert_eq!(chosen.allocate("shop", &v4), None);
    assert_eq!(chosen.allocate("shop", &v6), "fd00::2".parse().ok());
    assert!(!pools.is_free("shop", addresses[0]));
}
