//! The words of orders, read.

use std::net::IpAddr;

use bulkhead_model::network::{
    Cidr, IfName, IpvlanFlag, IpvlanMode, MacvlanMode, PortMapping, Protocol, SubLink,
};
use bulkhead_wire::network::PortMapping as WirePort;

use crate::txn::fault::Refusal;
use crate::txn::storage::Judged;

pub(super) fn cidr(text: &str) -> Judged<Cidr> {
    text.parse()
        .map_err(|e: bulkhead_model::network::InvalidCidr| Refusal::Invalid(e.to_string()))
}

/// An address, with or without a prefix.
pub(super) fn wanted_address(text: &str) -> Judged<IpAddr> {
    let addr = text.split_once('/').map_or(text, |(addr, _)| addr);
    addr.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Refusal::Invalid(format!("{shown:?} is not an address"))
    })
}

pub(super) fn interface_name(text: &str) -> Judged<IfName> {
    IfName::new(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Refusal::Invalid(format!("{shown:?} is not an interface name"))
    })
}

pub(super) fn addresses(texts: &[String]) -> Judged<Vec<Cidr>> {
    texts.iter().map(|text| cidr(text)).collect()
}

pub(super) fn mapping(port: &WirePort) -> Judged<PortMapping> {
    let protocol = Protocol::parse(&port.protocol);
    let host_addr = port.host_address.parse();
    Ok(PortMapping {
        protocol: protocol
            .ok_or_else(|| Refusal::invalid("the protocol is neither tcp, udp nor sctp"))?,
        host_addr: host_addr.map_err(|_| Refusal::invalid("the host address is none"))?,
        host_port: port.host_port,
        container_port: port.container_port,
        count: port.count,
    })
}

pub(super) fn macvlan(mode: &str) -> Judged<SubLink> {
    Ok(SubLink::Macvlan(match mode {
        "bridge" => MacvlanMode::Bridge,
        "vepa" => MacvlanMode::Vepa,
        "private" => MacvlanMode::Private,
        "passthru" => MacvlanMode::Passthru,
        _ => return Err(Refusal::invalid("macvlan has no such mode")),
    }))
}

pub(super) fn ipvlan(mode: &str, reach: &str) -> Judged<SubLink> {
    let mode = match mode {
        "l2" => IpvlanMode::L2,
        "l3" => IpvlanMode::L3,
        "l3s" => IpvlanMode::L3s,
        _ => return Err(Refusal::invalid("ipvlan has no such mode")),
    };
    let reach = match reach {
        "bridge" => IpvlanFlag::Bridge,
        "private" => IpvlanFlag::Private,
        "vepa" => IpvlanFlag::Vepa,
        _ => return Err(Refusal::invalid("ipvlan has no such reach")),
    };
    Ok(SubLink::Ipvlan(mode, reach))
}
