use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use bulkhead_model::network::{NetworkConfig, PortMapping, Protocol};
use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Pool(Mutex<BTreeSet<IpAddr>>);

impl AddressPool for Pool {
    fn allocate(&self, _: &str, _: &Cidr) -> Option<IpAddr> {
        let mut taken = self.0.lock().unwrap();
        let mut free = (2..20).map(|i| IpAddr::from([172, 17, 0, i]));
        let addr = free.find(|addr| !taken.contains(addr))?;
        taken.insert(addr).then_some(addr)
    }
    fn release(&self, _: &str, addr: IpAddr) {
        assert!(self.0.lock().unwrap().remove(&addr));
    }
}

const NETWORK: [Grant; 11] = [
    Grant::UseHostNamespace,
    Grant::Bridge,
    Grant::Veth,
    Grant::Isolate,
    Grant::Macvlan,
    Grant::Ipvlan,
    Grant::Address,
    Grant::Route,
    Grant::Masquerade,
    Grant::Publish,
    Grant::LeaseAddress,
];

fn all() -> Grants {
    Grants::new(NETWORK.map(|grant| (grant, "why".to_owned())))
}

fn request() -> EndpointRequest {
    EndpointRequest {
        network: NetworkConfig {
            name: "bridge".into(),
            interface: IfName::new("bh0"),
            gateways: vec!["172.17.0.1/16".parse().unwrap()],
            mtu: 1500,
            options: Vec::new(),
        },
        endpoint: "e".into(),
        mac: None,
        ports: vec![PortMapping {
            protocol: Protocol::Tcp,
            host_addr: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 8080,
            container_port: 80,
            count: 1,
        }],
    }
}

fn port(host_port: u16) -> WirePort {
    WirePort {
        protocol: "tcp".into(),
        host_address: "0.0.0.0".into(),
        host_port,
        container_port: 80,
        count: 1,
    }
}

fn macvlan(inner: &str, parent: &str, mode: &str) -> Order {
    Order::Macvlan(inner.into(), parent.into(), mode.into(), 1500)
}

/// What the bridge driver orders.
fn usual() -> Vec<Order> {
    vec![
        Order::LeaseAddress("172.17.0.1/16".into()),
        Order::Bridge("bh0".into(), vec!["172.17.0.1/16".into()]),
        Order::Veth("eth0".into(), Some("bh0".into()), 1500),
        Order::Address("eth0".into(), "172.17.0.2/16".into()),
        Order::Route("0.0.0.0/0".into(), Some("172.17.0.1".into())),
        Order::Masquerade("172.17.0.0/16".into()),
        Order::Publish(port(8080), "172.17.0.2".into()),
    ]
}

#[test]
fn the_usual_orders_become_a_plan_that_keeps_its_lease() {
    let (grants, pool, request) = (all(), Pool::default(), request());
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    for order in usual() {
        txn.order(order).unwrap();
    }
    let plan = txn.into_plan();
    assert_eq!(plan.steps.len(), 6);
    assert_eq!(plan.leases, [IpAddr::from([172, 17, 0, 2])]);
    assert_eq!(pool.0.lock().unwrap().len(), 1);
}

#[test]
fn leases_of_a_failed_call_come_back() {
    let (grants, pool, request) = (all(), Pool::default(), request());
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    while txn
        .order(Order::LeaseAddress("172.17.0.1/16".into()))
        .is_ok()
    {}
    assert_eq!(txn.stopped().unwrap().what, "leased addresses");
    drop(txn);
    assert!(pool.0.lock().unwrap().is_empty());
}

#[test]
fn each_order_needs_its_grant() {
    let (none, pool, request) = (Grants::default(), Pool::default(), request());
    for order in usual().into_iter().chain([Order::UseHostNamespace]) {
        let mut txn = NetworkTxn::new(&none, &pool, &request);
        let grant = grant_of(&order);
        assert_eq!(txn.order(order), Err(Refusal::NotGranted(grant)));
        assert_eq!(txn.denied(), Some(grant));
    }
}

#[test]
fn nothing_of_others_is_reached() {
    let (grants, pool, request) = (all(), Pool::default(), request());
    let foreign = [
        Order::LeaseAddress("10.0.0.1/8".into()),
        Order::LeaseAddress("172.17.0.1/8".into()),
        Order::Bridge("docker0".into(), vec!["172.17.0.1/16".into()]),
        Order::Bridge(
            "bh0".into(),
            vec!["172.17.0.1/16".into(), "10.0.0.1/8".into()],
        ),
        Order::Isolate("eth1".into()),
        macvlan("eth1", "eth0", "bridge"),
        macvlan("eth0", "bh0", "bridge"),
        macvlan("eth1", "bh0", "magic"),
        Order::Ipvlan(
            "eth1".into(),
            "docker0".into(),
            "l2".into(),
            "bridge".into(),
            1500,
        ),
        Order::Ipvlan("eth1".into(), "bh0".into(), "l2".into(), "all".into(), 1500),
        Order::Veth("eth1".into(), Some("docker0".into()), 1500),
        Order::Veth("lo".into(), None, 1500),
        Order::Veth("../x".into(), None, 1500),
        Order::Veth("eth1".into(), None, 1),
        Order::Address("eth0".into(), "172.17.0.1/16".into()),
        Order::Address("eth0".into(), "172.17.0.2/8".into()),
        Order::Address("bh0".into(), "172.17.0.2/16".into()),
        Order::Route("0.0.0.0/0".into(), Some("10.0.0.1".into())),
        Order::Masquerade("0.0.0.0/0".into()),
        Order::Masquerade("172.17.0.1/16".into()),
        Order::Publish(port(22), "172.17.0.2".into()),
        Order::Publish(port(8080), "172.17.0.1".into()),
        Order::UseHostNamespace,
    ];
    for order in foreign {
        let mut txn = NetworkTxn::new(&grants, &pool, &request);
        for order in usual().into_iter().take(4) {
            txn.order(order).unwrap();
        }
        assert!(txn.order(order.clone()).is_err(), "{order:?}");
    }
}

#[test]
fn the_hosts_namespace_excludes_everything_else() {
    let (grants, pool, request) = (all(), Pool::default(), request());
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    txn.order(Order::UseHostNamespace).unwrap();
    for order in usual() {
        assert!(txn.order(order).is_err());
    }
    assert_eq!(txn.into_plan().namespace, NetworkNamespace::Host);
}

#[test]
fn the_users_hardware_address_and_isolation_are_the_pairs() {
    let mac: bulkhead_model::network::MacAddr = "02:00:00:00:00:07".parse().unwrap();
    let (grants, pool) = (all(), Pool::default());
    let request = EndpointRequest {
        mac: Some(mac),
        ..request()
    };
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    for order in usual().into_iter().take(3) {
        txn.order(order).unwrap();
    }
    txn.order(Order::Isolate("eth0".into())).unwrap();
    let plan = txn.into_plan();
    let pair = |step: &NetworkStep| matches!(step, NetworkStep::Veth { mac: Some(m), isolated: true, .. } if *m == mac);
    assert!(plan.steps.iter().any(pair), "{:?}", plan.steps);
}

#[test]
fn a_port_is_not_forwarded_to_an_address_of_the_other_family() {
    let (grants, pool) = (all(), Pool::default());
    let mut request = request();
    request.ports[0].host_addr = std::net::Ipv6Addr::UNSPECIFIED.into();
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    for order in usual().into_iter().take(3) {
        txn.order(order).unwrap();
    }
    let v6 = WirePort {
        host_address: "::".into(),
        ..port(8080)
    };
    assert!(txn.order(Order::Publish(v6, "172.17.0.2".into())).is_err());
}

#[test]
fn a_port_is_forwarded_once() {
    let (grants, pool, request) = (all(), Pool::default(), request());
    let mut txn = NetworkTxn::new(&grants, &pool, &request);
    for order in usual() {
        txn.order(order).unwrap();
    }
    assert!(
        txn.order(Order::Publish(port(8080), "172.17.0.2".into()))
            .is_err()
    );
}

fn any_order() -> impl Strategy<Value = Order> {
    let address = || {
        const KNOWN: &[&str] = &[
            "172.17.0.1/16",
            "172.17.0.2/16",
            "172.17.0.0/16",
            "0.0.0.0/0",
            "10.0.0.0/8",
            "x",
        ];
        proptest::sample::select(KNOWN).prop_map(str::to_owned)
    };
    let name =
        || proptest::sample::select(&["bh0", "docker0", "eth0", "lo"][..]).prop_map(str::to_owned);
    prop_oneof![
        address().prop_map(Order::LeaseAddress),
        (name(), address()).prop_map(|(n, a)| Order::Bridge(n, vec![a])),
        (name(), proptest::option::of(name()), any::<u32>())
            .prop_map(|(i, b, m)| Order::Veth(i, b, m)),
        name().prop_map(Order::Isolate),
        (name(), name()).prop_map(|(i, p)| macvlan(&i, &p, "bridge")),
        (name(), address()).prop_map(|(n, a)| Order::Address(n, a)),
        (address(), proptest::option::of(address())).prop_map(|(d, v)| Order::Route(d, v)),
        address().prop_map(Order::Masquerade),
        (any::<u16>(), address()).prop_map(|(p, a)| Order::Publish(port(p), a)),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_orders_leaves_the_network(orders in proptest::collection::vec(any_order(), 0..30)) {
        let (grants, pool, request) = (all(), Pool::default(), request());
        let mut txn = NetworkTxn::new(&grants, &pool, &request);
        for order in usual().into_iter().take(3).chain(orders) {
            let _ = txn.order(order);
        }
        let plan = txn.into_plan();
        let own = IfName::new("bh0").unwrap();
        for step in &plan.steps {
            let fine = match step {
                NetworkStep::Isolate { .. } | NetworkStep::Resolver => false,
                NetworkStep::Bridge { name, addrs } => *name == own && *addrs == request.network.gateways,
                NetworkStep::SubLink { parent, .. } => *parent == own,
                NetworkStep::Veth { bridge, .. } => bridge.as_ref().is_none_or(|b| *b == own),
                NetworkStep::Addr { addr, .. } => plan.leases.contains(&addr.addr),
                NetworkStep::Route { .. } => true,
                NetworkStep::Masquerade { source, bridge } => source.to_string() == "172.17.0.0/16" && *bridge == own,
                NetworkStep::Publish { mapping, to, bridge } => {
                    request.ports.contains(mapping) && plan.leases.contains(to) && *bridge == own
                }
            };
            prop_assert!(fine, "{step:?}");
        }
    }
}
