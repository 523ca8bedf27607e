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

fn link(mode: &str, reach: &str) -> NetworkOrder {
    let [inner, parent] = ["eth0", "eth1"].map(str::to_owned);
    NetworkOrder::Ipvlan(inner, parent, mode.to_owned(), reach.to_owned(), 1500)
}

#[test]
fn at_layer_2_the_router_is_the_way_out() {
    let host = network();
    Ipvlan::attach(&host).unwrap();
    let orders = host.orders();
    assert_eq!(orders[0], link("l2", "bridge"));
    let router = cidr("192.168.7.1/24").address;
    assert_eq!(
        orders.last(),
        Some(&NetworkOrder::Route(Cidr::ANY_V4, Some(router)))
    );
}

#[test]
fn above_it_the_interface_itself_is() {
    let host = network()
        .with_option("ipvlan_mode", "l3")
        .with_option("ipvlan_flag", "private");
    Ipvlan::attach(&host).unwrap();
    let orders = host.orders();
    assert_eq!(orders[0], link("l3", "private"));
    assert_eq!(
        orders.last(),
        Some(&NetworkOrder::Route(Cidr::ANY_V4, None))
    );
}

#[test]
fn other_words_are_refused_by_name() {
    let host = network().with_option("ipvlan_mode", "l4");
    let error = Ipvlan::attach(&host).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert_eq!(
        error.message,
        "ipvlan_mode is \"l4\": expected one of l2, l3, l3s"
    );
}
