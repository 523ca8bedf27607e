use std::sync::Arc;

use bulkhead_model::driver::NetworkDriver;
use bulkhead_model::network::{AddressPool, NetworkConfig};
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
            gateway: "10.0.0.1/24".parse().ok(),
            mtu: 1500,
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
                addr: "10.0.0.1/24".parse().unwrap(),
            },
            NetworkStep::Veth {
                inner: eth0(),
                bridge: Some(bridge.clone()),
                mtu: 1500,
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

#[test]
fn interfaces_are_counted_on_and_one_network_is_the_way_out() {
    let mut plan = NetworkPlan::default();
    merge(&mut plan, decided("one"), &network("one", false), true);
    merge(&mut plan, decided("two"), &network("two", false), false);
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
    let mut plan = NetworkPlan::default();
    merge(&mut plan, decided("vault"), &network("vault", true), false);
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
fn a_chosen_address_is_what_the_driver_gets() {
    let pools = crate::address_pool::Pools::default();
    pools.add("shop", "10.0.0.1/24".parse().unwrap());
    let address = "10.0.0.77".parse().unwrap();
    let chosen = Chosen {
        pool: &pools,
        address,
    };
    assert_eq!(chosen.allocate("shop", None), Some(address));
    assert_eq!(chosen.allocate("shop", None), None);
    assert!(pools.is_leased("shop", address));
}
