//! Host ports for what a container publishes.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use bulkhead_model::network::{Family, PortMapping, Protocol};

use crate::error::EngineError;
use crate::spec::PortSpec;

/// Every port with its host port set: one the kernel calls free now when the
/// user named none or several. A port without a host address is published in
/// each of `families`, in IPv4 at `binding`. Neighbouring ones are joined.
pub(super) fn mappings(
    ports: &[PortSpec],
    families: &[Family],
    binding: IpAddr,
) -> Result<Vec<PortMapping>, EngineError> {
    let mut chosen = HashSet::new();
    let mut all = Vec::new();
    for port in ports {
        all.extend(mapping(port, families, binding, &mut chosen)?);
    }
    all.sort_by_key(|m: &PortMapping| (m.protocol.number(), m.host_addr, m.host_port));
    let mut joined: Vec<PortMapping> = Vec::new();
    for next in all {
        if !joined.last_mut().is_some_and(|last| last.extend(&next)) {
            joined.push(next);
        }
    }
    Ok(joined)
}

fn mapping(
    port: &PortSpec,
    families: &[Family],
    binding: IpAddr,
    chosen: &mut HashSet<(Protocol, u16)>,
) -> Result<Vec<PortMapping>, EngineError> {
    let protocol = Protocol::parse(&port.protocol).ok_or_else(|| {
        EngineError::Port(format!(
            "invalid port protocol {:?}: expected tcp, udp or sctp",
            port.protocol
        ))
    })?;
    let addrs = host_addresses(port, families, binding)?;
    let free = |number: &u16, chosen: &HashSet<_>| {
        !chosen.contains(&(protocol, *number)) && is_free(protocol, &addrs, *number)
    };
    let host_port = match (port.host_port, port.last_host_port) {
        (0, _) => {
            // The kernel's choice may be one that was chosen a moment ago.
            let candidates = std::iter::from_fn(|| any_free(protocol, addrs.first()?));
            let mut candidates = candidates.take(1000);
            candidates.find(|number| free(number, chosen))
        }
        (first, Some(last)) => (first..=last).find(|number| free(number, chosen)),
        (port, None) => Some(port),
    };
    let host_port = host_port.ok_or_else(|| none_free(port, &addrs))?;
    chosen.insert((protocol, host_port));
    let mapping = |host_addr| PortMapping {
        protocol,
        host_addr,
        host_port,
        container_port: port.container_port,
        count: 1,
    };
    Ok(addrs.into_iter().map(mapping).collect())
}

/// The addresses a port is published on: the one named, or one a family.
fn host_addresses(
    port: &PortSpec,
    families: &[Family],
    binding: IpAddr,
) -> Result<Vec<IpAddr>, EngineError> {
    let Some(addr) = port.host_addr else {
        let of = |family: &Family| match family {
            Family::V4 => binding,
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        return Ok(families.iter().map(of).collect());
    };
    if families.contains(&Family::of(addr)) {
        return Ok(vec![addr]);
    }
    Err(EngineError::Port(format!(
        "cannot publish {}/{} on {addr}: the container has no address of that family to forward to",
        port.container_port, port.protocol
    )))
}

fn none_free(port: &PortSpec, addrs: &[IpAddr]) -> EngineError {
    let addr = addrs.first().map(ToString::to_string).unwrap_or_default();
    EngineError::Port(match port.last_host_port {
        Some(last) => format!(
            "no free {} port on {addr} from {} to {last}: all ports are allocated",
            port.protocol, port.host_port
        ),
        None => format!("no free {} port on {addr}", port.protocol),
    })
}

fn any_free(protocol: Protocol, addr: &IpAddr) -> Option<u16> {
    bind(protocol, SocketAddr::new(*addr, 0))
}

fn is_free(protocol: Protocol, addrs: &[IpAddr], port: u16) -> bool {
    let mut addrs = addrs.iter();
    addrs.all(|addr| bind(protocol, SocketAddr::new(*addr, port)).is_some())
}

/// Binds for a moment; the port. What others published is bound by their
/// shims. Ports of SCTP are numbers like those of TCP, and chosen as such.
fn bind(protocol: Protocol, addr: SocketAddr) -> Option<u16> {
    let bound = match protocol {
        Protocol::Tcp | Protocol::Sctp => TcpListener::bind(addr).and_then(|s| s.local_addr()),
        Protocol::Udp => UdpSocket::bind(addr).and_then(|s| s.local_addr()),
    };
    bound.ok().map(|addr| addr.port())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn port(container_port: u16, host_port: u16) -> PortSpec {
        PortSpec {
            protocol: "tcp".to_owned(),
            container_port,
            host_addr: None,
            host_port,
            last_host_port: None,
        }
    }

    fn shown(mappings: &[PortMapping]) -> Vec<String> {
        let show = |m: &PortMapping| {
            let from = SocketAddr::new(m.host_addr, m.host_port);
            format!("{from} {} {}", m.container_port, m.count)
        };
        mappings.iter().map(show).collect()
    }

    #[test]
    fn neighbouring_ports_are_one_mapping_of_each_family() {
        let ports = [
            port(82, 9002),
            port(80, 9000),
            port(81, 9001),
            port(90, 9003),
        ];
        let v4 = mappings(&ports, &[Family::V4], ANY).unwrap();
        assert_eq!(shown(&v4), ["0.0.0.0:9000 80 3", "0.0.0.0:9003 90 1"]);
        let both = mappings(&ports[1..2], &Family::BOTH, ANY).unwrap();
        assert_eq!(shown(&both), ["0.0.0.0:9000 80 1", "[::]:9000 80 1"]);
    }

    #[test]
    fn the_networks_binding_counts_unless_an_address_is_named() {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let named = PortSpec {
            host_addr: Some(ANY),
            ..port(81, 9001)
        };
        let got = mappings(&[port(80, 9000), named], &[Family::V4], loopback).unwrap();
        assert_eq!(shown(&got), ["0.0.0.0:9001 81 1", "127.0.0.1:9000 80 1"]);
    }

    #[test]
    fn an_address_of_a_family_the_container_lacks_is_refused_by_name() {
        let v6 = PortSpec {
            host_addr: Some(Ipv6Addr::LOCALHOST.into()),
            ..port(80, 9000)
        };
        let error = mappings(&[v6], &[Family::V4], ANY).unwrap_err().to_string();
        assert!(error.contains("80/tcp on ::1"), "{error}");
    }

    #[test]
    fn of_a_range_the_first_free_port_is_taken_and_none_twice() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = taken.local_addr().unwrap().port().min(65000);
        let within = |container_port| PortSpec {
            host_addr: Some(Ipv4Addr::LOCALHOST.into()),
            last_host_port: Some(first + 100),
            ..port(container_port, first)
        };
        let got = mappings(&[within(80), within(90)], &[Family::V4], ANY).unwrap();
        let ports: HashSet<_> = got.iter().flat_map(PortMapping::single).collect();
        assert_eq!(ports.len(), 2);
        assert!(ports.iter().all(|m| m.host_port > first), "{got:?}");
        let one = PortSpec {
            last_host_port: Some(first),
            ..within(80)
        };
        let error = mappings(&[one], &[Family::V4], ANY)
            .unwrap_err()
            .to_string();
        assert!(error.contains("all ports are allocated"), "{error}");
    }

    #[test]
    fn ports_that_the_kernel_chooses_differ() {
        let ports: Vec<_> = (1..=50).map(|n| port(n, 0)).collect();
        let got = mappings(&ports, &[Family::V4], ANY).unwrap();
        let all: HashSet<_> = got
            .iter()
            .flat_map(PortMapping::single)
            .map(|m| m.host_port)
            .collect();
        assert_eq!(all.len(), 50);
    }
}
