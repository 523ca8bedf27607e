//! Who is called what, and who is where, on each network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::container::{Container, Endpoint};

/// Every running container's names and addresses on networks with names.
#[derive(Debug, Default)]
pub(super) struct Directory(HashMap<String, Names>);

/// One network's.
#[derive(Debug, Default)]
struct Names {
    /// By name in lower case.
    addresses: HashMap<String, Vec<IpAddr>>,
    /// Containers' own names.
    names: HashMap<IpAddr, String>,
}

impl Directory {
    pub(super) fn of(containers: impl Iterator<Item = Arc<Container>>) -> Self {
        let mut directory = Self::default();
        for record in containers {
            for endpoint in &record.endpoints {
                directory.add(&record, endpoint);
            }
        }
        directory
    }

    fn add(&mut self, record: &Container, endpoint: &Endpoint) {
        let mut networks = record.networks.iter();
        let Some(member) = networks.find(|m| m.network == endpoint.network_id) else {
            return;
        };
        let names = super::of(record, member);
        let Some(own) = names.first() else {
            return;
        };
        let network = self.0.entry(endpoint.network_id.clone()).or_default();
        for address in &endpoint.addresses {
            network.names.insert(*address, own.clone());
        }
        let mut names: Vec<_> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let known = network.addresses.entry(name).or_default();
            known.extend(&endpoint.addresses);
        }
    }

    /// The addresses of `name`, in lower case, on an endpoint's network, which
    /// it may end in.
    pub(super) fn addresses(&self, endpoint: &Endpoint, name: &str) -> Option<Vec<IpAddr>> {
        let known = &self.0.get(&endpoint.network_id)?.addresses;
        let bare = || strip_network(name, &endpoint.network);
        let found = known.get(name).or_else(|| known.get(bare()?));
        found.cloned()
    }

    /// Who is at `address` of an endpoint's network: `name.network`.
    pub(super) fn name(&self, endpoint: &Endpoint, address: IpAddr) -> Option<String> {
        let name = self.0.get(&endpoint.network_id)?.names.get(&address)?;
        Some(format!("{name}.{}", endpoint.network))
    }
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
        assert_eq!(strip_network("web.shop", "SHOP"), Some("web"));
        for other in ["shop", "webshop", "web.shop.example", "ü", ""] {
            assert_eq!(strip_network(other, "shop"), None, "{other}");
        }
    }
}
