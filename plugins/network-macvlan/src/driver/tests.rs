use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::network::Cidr;
use bulkhead_plugin_api::testing::{FakeNetworkHost, NetworkOrder};

use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn network() -> FakeNetworkHost {
    FakeNetworkHost::new("lan")
        .with_interface("eth1")
        .with_gateway(cidr("192.168.7.1/24"))
        .with_free_address(cidr("192.168.7.2/24"))
}

#[test]
fn a_container_is_on_the_parents_network_with_its_router() {
    let host = network();
    Macvlan::attach(&host).unwrap();
    let own = cidr("192.168.7.2/24");
    assert_eq!(
        host.orders(),
        [
            NetworkOrder::Macvlan("eth0".into(), "eth1".into(), "bridge".into(), 1500),
            NetworkOrder::LeaseAddress(own),
            NetworkOrder::Address("eth0".into(), own),
            NetworkOrder::Route(Cidr::ANY_V4, Some(cidr("192.168.7.1/24").address)),
        ]
    );
}

#[test]
fn the_mode_is_one_of_the_kernels() {
    let host = network().with_option("macvlan_mode", "private");
    Macvlan::attach(&host).unwrap();
    let expected = NetworkOrder::Macvlan("eth0".into(), "eth1".into(), "private".into(), 1500);
    assert_eq!(host.orders()[0], expected);
    let host = network().with_option("macvlan_mode", "magic");
    let error = Macvlan::attach(&host).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("'magic'"), "{}", error.message);
    assert!(host.orders().is_empty());
}
