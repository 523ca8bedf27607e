//! What containers are called on their networks.
//!
//! Resolvers ask for every question of their containers, so the answers are
//! kept in a [`Directory`], which is made anew when a record has changed.

mod directory;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::ContainerId;

use crate::container::{Container, Endpoint, Membership};
use crate::{Engine, files};
use directory::Directory;

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

/// The last directory that was made, and of which state of the records.
#[derive(Debug, Default)]
pub struct LastDirectory(Mutex<Option<(u64, Arc<Directory>)>>);

/// Who answers what no neighbour is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarders {
    /// Name servers, in the order they are asked.
    pub servers: Vec<IpAddr>,
    /// They are asked from the container's network and not from the host's:
    /// the user named them, so `127.0.0.1` is the container's, and a server
    /// on an internal network can be reached from there alone.
    pub inside: bool,
    /// The user set `ndots`: names of one label are the container's to
    /// complete, and nobody else's to know.
    pub ndots: bool,
}

impl Engine {
    /// The addresses of `name` as `asker` sees them: those of the first of its
    /// networks on which any container is called so. `name.network` is looked
    /// for on that network alone. Case does not matter (RFC 4343). `None`
    /// when nobody is called so.
    pub fn addresses_of(&self, asker: &ContainerId, name: &str) -> Option<Vec<IpAddr>> {
        let asker = self.containers.find(asker.as_str()).ok()?.record();
        let directory = self.directory();
        let name = name.to_ascii_lowercase();
        let on = |endpoint: &Endpoint| {
            let linked = self.linked_addresses(&asker, endpoint, &name);
            linked.or_else(|| directory.addresses(endpoint, &name))
        };
        asker.endpoints.iter().find_map(on)
    }

    /// The name of the neighbour at `address`, with its network's.
    pub fn name_at(&self, asker: &ContainerId, address: IpAddr) -> Option<String> {
        let asker = self.containers.find(asker.as_str()).ok()?.record();
        let directory = self.directory();
        let at = |endpoint: &Endpoint| directory.name(endpoint, address);
        asker.endpoints.iter().find_map(at)
    }

    /// Who answers what no neighbour is called. The host's servers answer
    /// nobody who is on internal networks only, from which nothing leaves
    /// (CVE-2024-29018).
    pub fn forwarders(&self, asker: &ContainerId) -> Forwarders {
        let Ok(asker) = self.containers.find(asker.as_str()) else {
            return Forwarders::default();
        };
        let record = asker.record();
        let host = self.host_resolver.text(&self.config.resolv_conf);
        let ndots = files::sets_ndots(&record.spec, &host);
        let inside = !record.spec.dns.is_empty();
        let leads_out = |e: &Endpoint| {
            let network = self.networks.find(&e.network_id);
            network.is_ok_and(|n| !n.record.internal)
        };
        if !inside && !record.endpoints.iter().any(leads_out) {
            return Forwarders {
                ndots,
                ..Forwarders::default()
            };
        }
        let servers = files::forwarders(&record.spec, &host, true);
        Forwarders {
            servers: servers.iter().filter_map(|s| s.parse().ok()).collect(),
            inside,
            ndots,
        }
    }

    fn directory(&self) -> Arc<Directory> {
        let LastDirectory(last) = &self.names;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        // Read first: what changes while records are read makes it old.
        let now = self.containers.generation();
        match &*last {
            Some((of, directory)) if *of == now => directory.clone(),
            _ => {
                let records = self.containers.all();
                let directory = Directory::of(records.iter().map(|entry| entry.record()));
                let directory = Arc::new(directory);
                *last = Some((now, directory.clone()));
                directory
            }
        }
    }
}
