//! Networks and published ports as elements of the table's sets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_model::network::{Cidr, PortMapping, Protocol};
use bulkhead_sys::nft::{Element, IntervalEnd};

use super::Published;

/// An interface name as the kernel compares it: sixteen bytes.
pub(in crate::network) fn name(interface: &str) -> Vec<u8> {
    let mut bytes = interface.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// An address in network byte order.
pub(super) fn bytes(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The bounds of a subnet: its first address, which says whose it is, and the
/// one after its last, to which the kernel lets no comment be attached.
pub(in crate::network) fn range(subnet: Cidr, bridge: &str) -> [Element; 2] {
    let first = subnet.network();
    let after = match first {
        IpAddr::V4(v4) => {
            let last = v4.to_bits() | u32::MAX.checked_shr(subnet.prefix.into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(last.wrapping_add(1)))
        }
        IpAddr::V6(v6) => {
            let last = v6.to_bits() | u128::MAX.checked_shr(subnet.prefix.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(last.wrapping_add(1)))
        }
    };
    let start = Element {
        comment: format!("{bridge} {subnet}"),
        ..Element::key(bytes(first))
    };
    let end = Element {
        interval: IntervalEnd::End,
        ..Element::key(bytes(after))
    };
    [start, end]
}

/// The bounds of a subnet of `bridge`, by its first element.
pub(super) fn range_of(start: &Element, bridge: &str) -> Option<[Element; 2]> {
    let subnet = start.comment.strip_prefix(bridge)?.strip_prefix(' ')?;
    Some(range(subnet.parse().ok()?, bridge))
}

/// The element of a published port: of the map by address, or of the map of
/// ports on every address.
pub(in crate::network) fn entry(published: &Published) -> Element {
    let mapping = &published.mapping;
    let mut key = match mapping.host_addr.is_unspecified() {
        true => Vec::new(),
        false => bytes(mapping.host_addr),
    };
    key.extend_from_slice(&[mapping.protocol.number(), 0, 0, 0]);
    key.extend_from_slice(&padded(mapping.host_port));
    let mut value = bytes(published.to);
    value.extend_from_slice(&padded(mapping.container_port));
    Element {
        value,
        comment: published.endpoint.clone(),
        ..Element::key(key)
    }
}

fn padded(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

/// The inverse of [`entry`].
pub(in crate::network) fn decode(element: &Element) -> Option<Published> {
    let (host_addr, port) = element
        .key
        .split_at_checked(element.key.len().checked_sub(8)?)?;
    let (to, to_port) = (element.value).split_at_checked(element.value.len().checked_sub(4)?)?;
    let to = address(to)?;
    let unspecified = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let number = |bytes: &[u8]| Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]));
    let protocol = |p: &Protocol| Some(&p.number()) == port.first();
    Some(Published {
        endpoint: element.comment.clone(),
        mapping: PortMapping {
            protocol: Protocol::ALL.into_iter().find(protocol)?,
            host_addr: address(host_addr).unwrap_or(unspecified),
            host_port: number(port.get(4..)?)?,
            container_port: number(to_port)?,
            count: 1,
        },
        to,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
