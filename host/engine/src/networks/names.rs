//! What containers are called on their networks.

use std::net::{IpAddr, Ipv4Addr};

use bulkhead_model::ContainerId;

use crate::container::{Container, Endpoint, Membership};
use crate::{Engine, files};

/// The names that `container` answers to as `member` of a network, its own
/// first; none on the daemon's own networks, as in Docker.
pub fn of(container: &Container, member: &Membership) -> Vec<String> {
    if matches!(member.name.as_str(), "bridge" | "host" | "none") {
        return Vec::new();
    }
    let hostname = Some(&container.spec.hostname).filter(|h| !h.is_empty());
    let mut names = vec![container.name.clone()];
    names.extend(member.aliases.iter().cloned());
    names.push(container.id.short().to_owned());
    names.extend(hostname.cloned());
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

impl Engine {
    /// The addresses of `name` as `asker` sees them: those of the first of its
    /// networks on which any container is called so. `name.network` is looked
    /// for on that network alone. Case does not matter (RFC 4343).
    pub fn addresses_of(&self, asker: &ContainerId, name: &str) -> Vec<Ipv4Addr> {
        let Ok(asker) = self.containers.find(asker.as_str()) else {
            return Vec::new();
        };
        let neighbours = self.neighbours();
        let asker = asker.record();
        let on = |endpoint: &Endpoint| {
            let bare = strip_network(name, &endpoint.network);
            let called = |n: &&Neighbour| {
                n.network == endpoint.network_id
                    && n.names.iter().any(|own| {
                        own.eq_ignore_ascii_case(name)
                            || bare.is_some_and(|bare| own.eq_ignore_ascii_case(bare))
                    })
            };
            let found = neighbours.iter().filter(called);
            let addresses: Vec<_> = found.flat_map(|n| n.addresses.clone()).collect();
            Some(addresses).filter(|a| !a.is_empty())
        };
        asker.endpoints.iter().find_map(on).unwrap_or_default()
    }

    /// The name of the neighbour at `address`, with its network's.
    pub fn name_at(&self, asker: &ContainerId, address: Ipv4Addr) -> Option<String> {
        let asker = self.containers.find(asker.as_str()).ok()?.record();
        let neighbours = self.neighbours();
        asker.endpoints.iter().find_map(|endpoint| {
            let at =
                |n: &&Neighbour| n.network == endpoint.network_id && n.addresses.contains(&address);
            let name = neighbours.iter().find(at)?.names.first()?;
            Some(format!("{name}.{}", endpoint.network))
        })
    }

    /// The servers that answer what no neighbour is called; none when the
    /// container is on internal networks only, from which nothing leaves.
    pub fn forwarders(&self, asker: &ContainerId) -> Vec<IpAddr> {
        let Ok(asker) = self.containers.find(asker.as_str()) else {
            return Vec::new();
        };
        let record = asker.record();
        let leads_out = |e: &Endpoint| {
            let network = self.networks.find(&e.network_id);
            network.is_ok_and(|n| !n.record.internal)
        };
        if !record.endpoints.iter().any(leads_out) {
            return Vec::new();
        }
        let host = std::fs::read_to_string(&self.config.resolv_conf).unwrap_or_default();
        let servers = files::forwarders(&record.spec, &host, true);
        servers.iter().filter_map(|s| s.parse().ok()).collect()
    }

    /// Every running container on every network with names.
    fn neighbours(&self) -> Vec<Neighbour> {
        let mut all = Vec::new();
        for entry in self.containers.all() {
            let record = entry.record();
            for endpoint in &record.endpoints {
                let mut networks = record.networks.iter();
                let member = networks.find(|m| m.network == endpoint.network_id);
                let v4 = |addr: &IpAddr| match addr {
                    IpAddr::V4(addr) => Some(*addr),
                    IpAddr::V6(_) => None,
                };
                all.extend(member.map(|member| Neighbour {
                    network: endpoint.network_id.clone(),
                    names: of(&record, member),
                    addresses: endpoint.addresses.iter().filter_map(v4).collect(),
                }));
            }
        }
        all
    }
}

struct Neighbour {
    network: String,
    names: Vec<String>,
    addresses: Vec<Ipv4Addr>,
}

fn strip_network<'a>(name: &'a str, network: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(network.len() + 1)?;
    let (bare, suffix) = name.split_at_checked(at)?;
    let suffix = suffix.strip_prefix('.')?;
    suffix.eq_ignore_ascii_case(network).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_end_in_its_networks_and_in_no_others() {
        assert_eq!(strip_network("web.shop", "shop"), Some("web"));
        assert_eq!(strip_network("web.SHOP", "shop"), Some("web"));
        for other in ["shop", "webshop", "web.shop.example", "ü", ""] {
            assert_eq!(strip_network(other, "shop"), None, "{other}");
        }
    }
}
