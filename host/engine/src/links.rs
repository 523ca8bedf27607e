//! `--link`: another container's names and ports, as they were told before
//! networks had names.
//!
//! On the default bridge, a container that starts finds the linked one in its
//! hosts file and its environment. On a network with names, a link is a name
//! that its owner alone asks for ([`Membership::links`]).
//!
//! [`Membership::links`]: crate::container::Membership::links

mod environment;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::container::{Container, Endpoint};
use crate::error::EngineError;
use crate::spec::ContainerSpec;

const DEFAULT: &str = "bridge";

/// One link of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The id of the container it leads to.
    pub container: String,
    /// What that is called.
    pub alias: String,
}

/// What a container is told of those it links to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Linked {
    /// Addresses, and names for the hosts file.
    pub(crate) hosts: Vec<(IpAddr, String)>,
    /// Variables.
    pub(crate) env: Vec<String>,
}

/// `container[:alias]`; a name's leading slash is Docker's.
pub fn parse(text: &str) -> (&str, &str) {
    let (container, alias) = text.split_once(':').unwrap_or((text, text));
    let bare = |name: &str| name.rfind('/').map_or(0, |at| at + 1);
    (container.trim_start_matches('/'), &alias[bare(alias)..])
}

impl Engine {
    /// The links of a new container; those of one on a network with names
    /// belong to its place there.
    pub(crate) fn links(&self, spec: &ContainerSpec) -> Result<Vec<Link>, EngineError> {
        let network = self.networks.find(&spec.network);
        if !network.is_ok_and(|network| network.record.name == DEFAULT) {
            return Ok(Vec::new());
        }
        let link = |text: &String| {
            let (container, alias) = parse(text);
            let found = self.containers.find(container);
            let found = found.map_err(|source| EngineError::NoLinked {
                name: container.to_owned(),
                source: Box::new(source),
            })?;
            Ok(Link {
                container: found.record().id.to_string(),
                alias: alias.to_owned(),
            })
        };
        spec.links.iter().map(link).collect()
    }

    /// What `record` is told when it starts.
    pub(crate) fn linked(&self, record: &Container) -> Result<Linked, EngineError> {
        let mut linked = Linked::default();
        for link in &record.links {
            let Ok(entry) = self.containers.find(&link.container) else {
                // Removed: Docker drops the link, too.
                continue;
            };
            let child = entry.record();
            if !child.networks.iter().any(|m| m.name == DEFAULT) {
                return Err(EngineError::LinkedElsewhere(child.name.clone()));
            }
            let Some(endpoint) = on_default(&child).filter(|_| child.state.is_running()) else {
                return Err(EngineError::LinkedNotRunning {
                    child: child.name.clone(),
                    parent: record.name.clone(),
                    alias: link.alias.clone(),
                });
            };
            let names = names(&child, &link.alias);
            for address in &endpoint.addresses {
                linked.hosts.push((*address, names.clone()));
            }
            let Some(address) = endpoint.addresses.first() else {
                continue;
            };
            let ports = self.link_ports(&child)?;
            linked.env.extend(environment::of(
                &environment::Told {
                    parent: &record.name,
                    alias: &link.alias,
                    address: *address,
                    env: &child.env,
                },
                ports,
            ));
        }
        Ok(linked)
    }

    /// The variables of one more process; a link that leads nowhere now has none.
    pub(crate) fn linked_env(&self, record: &Container) -> Vec<String> {
        self.linked(record).unwrap_or_default().env
    }

    /// A container has started: those that link to it find it where it is now.
    pub(crate) fn tell_linking(&self, child: &Container) {
        let Some(endpoint) = on_default(child) else {
            return;
        };
        for entry in self.containers.all() {
            let record = entry.record();
            let to_child = record
                .links
                .iter()
                .filter(|l| l.container == child.id.as_str());
            for link in to_child.filter(|_| record.state.is_running()) {
                self.move_in_hosts(&record, &names(child, &link.alias), &endpoint.addresses);
            }
        }
    }

    /// The addresses of the container that `asker` calls `name` on an
    /// endpoint's network.
    pub(crate) fn linked_addresses(
        &self,
        asker: &Container,
        endpoint: &Endpoint,
        name: &str,
    ) -> Option<Vec<IpAddr>> {
        let mut members = asker.networks.iter();
        let member = members.find(|m| m.network == endpoint.network_id)?;
        let mut links = member.links.iter().map(|text| parse(text));
        let (target, _) = links.find(|(_, alias)| alias.eq_ignore_ascii_case(name))?;
        let target: Arc<Container> = self.containers.find(target).ok()?.record();
        let mut endpoints = target.endpoints.iter();
        let there = endpoints.find(|e| e.network_id == endpoint.network_id)?;
        Some(there.addresses.clone())
    }

    fn link_ports(&self, child: &Container) -> Result<Vec<(u16, String)>, EngineError> {
        let own = child.spec.exposed.iter();
        let image = self.image(&child.image_id)?;
        let exposed = own.chain(&image.config.exposed_ports).filter_map(|text| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            Some((port.parse().ok()?, protocol.to_owned()))
        });
        let published = child.spec.ports.iter();
        let published = published.map(|p| (p.container_port, p.protocol.clone()));
        Ok(exposed.chain(published).collect())
    }
}

fn on_default(record: &Container) -> Option<&Endpoint> {
    record.endpoints.iter().find(|e| e.network == DEFAULT)
}

/// Its names in hosts files of those that call it `alias`.
fn names(child: &Container, alias: &str) -> String {
    let own = Some(child.name.as_str()).filter(|own| *own != alias);
    let all = [Some(alias), Some(child.hostname.as_str()), own];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_container_and_what_it_is_called() {
        for (text, link) in [
            ("db:store", ("db", "store")),
            ("db", ("db", "db")),
            ("/db:/web/store", ("db", "store")),
        ] {
            assert_eq!(parse(text), link, "{text}");
        }
    }
}
