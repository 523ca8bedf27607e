//! The note in a shim's state directory: what of a network plan must be known
//! when only the container is left, one line an item.
//!
//! ```text
//! lease 172.17.0.2
//! bridge bulkhead0 172.17.0.1/16 fd00::1/64
//! isolate bulkhead0
//! veth eth0 bulkhead0
//! macvlan eth0 eth1
//! masquerade bulkhead0 172.17.0.0/16
//! resolver
//! publish bulkhead0 tcp 0.0.0.0 8080 80 172.17.0.2 1
//! ```
//!
//! Addresses and routes live and die with the container's namespace, and are
//! left out.

use std::fmt::Write;
use std::net::IpAddr;
use std::str::FromStr;

use bulkhead_model::network::{
    IfName, IpvlanFlag, IpvlanMode, MacvlanMode, NetworkNamespace, NetworkPlan, NetworkStep,
    PortMapping, Protocol, SubLink,
};

const HOST: &str = "host";
const RESOLVER: &str = "resolver";

/// Writes the note's text; empty for a plan that makes nothing.
pub(super) fn write(plan: &NetworkPlan) -> String {
    let mut out = String::new();
    if plan.namespace == NetworkNamespace::Host {
        out.push_str("host\n");
    }
    for lease in &plan.leases {
        let _ = writeln!(out, "lease {lease}");
    }
    for step in &plan.steps {
        let _ = match step {
            NetworkStep::Bridge { name, addrs } => {
                let addrs: String = addrs.iter().map(|addr| format!(" {addr}")).collect();
                writeln!(out, "bridge {name}{addrs}")
            }
            NetworkStep::Isolate { bridge } => writeln!(out, "isolate {bridge}"),
            NetworkStep::Veth { inner, bridge, .. } => match bridge {
                Some(bridge) => writeln!(out, "veth {inner} {bridge}"),
                None => writeln!(out, "veth {inner}"),
            },
            NetworkStep::SubLink {
                inner,
                parent,
                kind,
                ..
            } => match kind {
                SubLink::Macvlan(_) => writeln!(out, "macvlan {inner} {parent}"),
                SubLink::Ipvlan(..) => writeln!(out, "ipvlan {inner} {parent}"),
            },
            NetworkStep::Resolver => writeln!(out, "{RESOLVER}"),
            NetworkStep::Masquerade { source, bridge } => {
                writeln!(out, "masquerade {bridge} {source}")
            }
            NetworkStep::Publish {
                mapping,
                to,
                bridge,
            } => writeln!(
                out,
                "publish {bridge} {} {} {} {} {to} {}",
                mapping.protocol.as_str(),
                mapping.host_addr,
                mapping.host_port,
                mapping.container_port,
                mapping.count
            ),
            NetworkStep::Addr { .. } | NetworkStep::Route { .. } => Ok(()),
        };
    }
    out
}

/// Reads a note back; lines that make no sense are left out.
pub(super) fn read(text: &str) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        match words.next() {
            Some(HOST) => plan.namespace = NetworkNamespace::Host,
            Some(RESOLVER) => plan.steps.push(NetworkStep::Resolver),
            Some("lease") => plan.leases.extend(parse::<IpAddr>(words.next())),
            Some(kind) => plan.steps.extend(step(kind, &mut words)),
            None => {}
        }
    }
    plan
}

fn step<'a>(kind: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<NetworkStep> {
    let name = IfName::new(words.next()?)?;
    Some(match kind {
        "bridge" => NetworkStep::Bridge {
            name,
            addrs: words.map(|word| word.parse().ok()).collect::<Option<_>>()?,
        },
        "isolate" => NetworkStep::Isolate { bridge: name },
        "veth" => NetworkStep::Veth {
            inner: name,
            bridge: words.next().and_then(IfName::new),
            mtu: 1500,
            mac: None,
            isolated: false,
        },
        "macvlan" | "ipvlan" => NetworkStep::SubLink {
            inner: name,
            parent: IfName::new(words.next()?)?,
            kind: match kind {
                "macvlan" => SubLink::Macvlan(MacvlanMode::Bridge),
                _ => SubLink::Ipvlan(IpvlanMode::L2, IpvlanFlag::Bridge),
            },
            mtu: 1500,
            mac: None,
        },
        "masquerade" => NetworkStep::Masquerade {
            source: parse(words.next())?,
            bridge: name,
        },
        "publish" => publish(name, words)?,
        _ => return None,
    })
}

fn publish<'a>(bridge: IfName, words: &mut impl Iterator<Item = &'a str>) -> Option<NetworkStep> {
    let mut mapping = PortMapping {
        protocol: Protocol::parse(words.next()?)?,
        host_addr: parse(words.next())?,
        host_port: parse(words.next())?,
        container_port: parse(words.next())?,
        count: 1,
    };
    let to = parse(words.next())?;
    mapping.count = parse(words.next())?;
    Some(NetworkStep::Publish {
        mapping,
        to,
        bridge,
    })
}

fn parse<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> NetworkPlan {
        let bridge = IfName::new("bulkhead0").unwrap();
        NetworkPlan {
            namespace: NetworkNamespace::Private,
            steps: vec![
                NetworkStep::Bridge {
                    name: bridge.clone(),
                    addrs: vec![
                        "10.1.0.1/16".parse().unwrap(),
                        "fd00::1/64".parse().unwrap(),
                    ],
                },
                NetworkStep::Isolate {
                    bridge: bridge.clone(),
                },
                NetworkStep::Veth {
                    inner: IfName::new("eth0").unwrap(),
                    bridge: Some(bridge.clone()),
                    mtu: 1500,
                    mac: None,
                    isolated: false,
                },
                NetworkStep::SubLink {
                    inner: IfName::new("eth1").unwrap(),
                    parent: IfName::new("lan0").unwrap(),
                    kind: SubLink::Macvlan(MacvlanMode::Bridge),
                    mtu: 1500,
                    mac: None,
                },
                NetworkStep::Masquerade {
                    source: "10.1.0.0/16".parse().unwrap(),
                    bridge: bridge.clone(),
                },
                NetworkStep::Resolver,
                NetworkStep::Publish {
                    mapping: PortMapping {
                        protocol: Protocol::Udp,
                        host_addr: std::net::Ipv4Addr::LOCALHOST.into(),
                        host_port: 8080,
                        container_port: 80,
                        count: 3,
                    },
                    to: std::net::Ipv4Addr::new(10, 1, 0, 2).into(),
                    bridge,
                },
            ],
            leases: vec!["10.1.0.2".parse().unwrap()],
        }
    }

    #[test]
    fn what_was_noted_is_read_back() {
        let plan = plan();
        assert_eq!(read(&write(&plan)), plan);
        let host = NetworkPlan {
            namespace: NetworkNamespace::Host,
            ..NetworkPlan::default()
        };
        assert_eq!(read(&write(&host)), host);
    }

    #[test]
    fn a_plan_that_makes_nothing_needs_no_note() {
        assert_eq!(write(&NetworkPlan::default()), "");
    }

    #[test]
    fn a_broken_line_costs_only_itself() {
        let text = write(&plan()).replace("masquerade", "quarrel") + "publish x tcp\n\n";
        assert_eq!(read(&text).steps.len(), 6);
    }
}
