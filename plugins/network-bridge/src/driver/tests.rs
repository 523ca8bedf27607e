use std::net::{Ipv4Addr, Ipv6Addr};

use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::network::{Cidr, PortMapping, Protocol};
use bulkhead_plugin_api::testing::{FakeNetworkHost, NetworkOrder};

use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn network() -> FakeNetworkHost {
    FakeNetworkHost::new("bridge")
        .with_interface("bulkhead0")
        .with_gateway(cidr("172.17.0.1/16"))
        .with_free_address(cidr("172.17.0.2/16"))
        .with_mtu(1450)
}

fn port(protocol: Protocol, host_port: u16) -> PortMapping {
    PortMapping {
        protocol,
        host_address: Ipv4Addr::UNSPECIFIED.into(),
        host_port,
        container_port: 80,
        count: 1,
    }
}

#[test]
fn a_container_gets_an_address_a_way_out_and_its_ports() {
    let ports = [port(Protocol::Tcp, 8080), port(Protocol::Udp, 5353)];
    let host = ports
        .iter()
        .cloned()
        .fold(network(), FakeNetworkHost::with_port);
    Bridge::attach(&host).unwrap();
    let own = cidr("172.17.0.2/16");
    assert_eq!(
        host.orders(),
        [
            NetworkOrder::LeaseAddress(own),
            NetworkOrder::Bridge("bulkhead0".into(), vec![cidr("172.17.0.1/16")]),
            NetworkOrder::Veth("eth0".into(), Some("bulkhead0".into()), 1450),
            NetworkOrder::Address("eth0".into(), own),
            NetworkOrder::Route(Cidr::ANY_V4, Some(cidr("172.17.0.1/16").address)),
            NetworkOrder::Masquerade(cidr("172.17.0.0/16")),
            NetworkOrder::Publish(ports[0].clone(), own.address),
            NetworkOrder::Publish(ports[1].clone(), own.address),
        ]
    );
}

#[test]
fn each_family_has_an_address_a_way_out_and_its_own_ports() {
    let v6 = PortMapping {
        host_address: Ipv6Addr::UNSPECIFIED.into(),
        ..port(Protocol::Tcp, 8080)
    };
    let host = network()
        .with_gateway(cidr("fd00::1/64"))
        .with_free_address(cidr("fd00::2/64"))
        .with_port(v6.clone());
    Bridge::attach(&host).unwrap();
    let orders = host.orders();
    for expected in [
        NetworkOrder::Bridge(
            "bulkhead0".into(),
            vec![cidr("172.17.0.1/16"), cidr("fd00::1/64")],
        ),
        NetworkOrder::Route(Cidr::ANY_V6, Some(cidr("fd00::1/64").address)),
        NetworkOrder::Masquerade(cidr("fd00::/64")),
        NetworkOrder::Publish(v6, cidr("fd00::2/64").address),
    ] {
        assert!(orders.contains(&expected), "{expected:?} in {orders:?}");
    }
}

#[test]
fn dockers_switches_keep_containers_apart_and_their_addresses_visible() {
    let host = network()
        .with_option("com.docker.network.bridge.enable_icc", "false")
        .with_option("com.docker.network.bridge.enable_ip_masquerade", "0");
    Bridge::attach(&host).unwrap();
    let orders = host.orders();
    assert!(orders.contains(&NetworkOrder::Isolate("eth0".into())));
    let hidden = |order: &NetworkOrder| matches!(order, NetworkOrder::Masquerade(_));
    assert!(!orders.iter().any(hidden));
    let odd = network().with_option("com.docker.network.bridge.enable_icc", "maybe");
    let error = Bridge::attach(&odd).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert!(odd.orders().is_empty());
}

#[test]
fn an_empty_pool_ends_the_call_before_anything_is_made() {
    let host = FakeNetworkHost::new("bridge")
        .with_interface("b")
        .with_gateway(cidr("10.0.0.1/8"));
    assert_eq!(Bridge::attach(&host).unwrap_err().code, Code::Exhausted);
    assert!(host.orders().is_empty());
}

#[test]
fn a_network_that_lacks_an_interface_or_a_gateway_is_named() {
    let error = Bridge::attach(&FakeNetworkHost::new("odd")).unwrap_err();
    assert_eq!(error.message, "network odd has no interface");
    let error = Bridge::attach(&FakeNetworkHost::new("odd").with_interface("b")).unwrap_err();
    assert_eq!(error.message, "network odd has no gateway");
}
