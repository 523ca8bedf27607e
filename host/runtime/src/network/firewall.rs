//! What the packet filter holds for us: the networks' entries and the
//! published ports. The kernel's table is the truth; nothing is remembered
//! here that a restart of the daemon would lose.

mod element;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use bulkhead_model::network::{Cidr, Family, PortMapping, Protocol};
use bulkhead_sys as sys;
use bulkhead_sys::nft::{self, Batch, Element, FilterSocket, Hook, ListedRule, Set};

use super::error::NetworkError;
use super::rules::{self, BRIDGES, INTERNAL, LOCAL, published_addr, published_any, subnets};
use element::{bytes, range_of};
pub(super) use element::{decode, entry, name, range};

/// A port that the packet filter forwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// Whose it is.
    pub endpoint: String,
    /// The mapping, of one port.
    pub mapping: PortMapping,
    /// The container's address.
    pub to: IpAddr,
}

/// What the kernel holds of us, and what it should.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) table: String,
    pub(super) rules: Vec<ListedRule>,
    pub(super) wanted: Vec<ListedRule>,
    /// Each with its set.
    pub(super) elements: Vec<(&'static str, Element)>,
    /// Of others, what stands in the way.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Firewall {
    /// Opened when it is first needed: a kernel without nf_tables still runs
    /// containers on the host's network or without one.
    socket: Option<FilterSocket>,
    family: nft::Family,
    table: String,
    /// Whether this process has written the rules.
    written: bool,
    /// A foreign chain that drops what it does not know, found when the rules
    /// were written.
    pub(super) warning: Option<String>,
}

impl Firewall {
    pub(super) fn new(table: &str, family: Family) -> Self {
        Self {
            socket: None,
            family: match family {
                Family::V4 => nft::Family::Ipv4,
                Family::V6 => nft::Family::Ipv6,
            },
            table: table.to_owned(),
            written: false,
            warning: None,
        }
    }

    /// Lets a network's traffic pass and guards the host's loopback from it.
    pub(super) fn admit(&mut self, bridge: &str) -> Result<(), NetworkError> {
        self.commit(|batch| {
            batch
                .add_elements(BRIDGES.name, &[Element::key(name(bridge))])
                .add_elements(LOCAL.name, &[Element::key(name(bridge).repeat(2))]);
        })
    }

    /// Keeps a network's traffic from leaving its bridge, and all other out.
    pub(super) fn isolate(&mut self, bridge: &str) -> Result<(), NetworkError> {
        self.commit(|batch| {
            batch.add_elements(INTERNAL.name, &[Element::key(name(bridge))]);
        })
    }

    /// Masquerades what a subnet sends beyond its bridge.
    pub(super) fn masquerade(&mut self, source: Cidr, bridge: &str) -> Result<(), NetworkError> {
        let range = range(source, bridge);
        let subnets = subnets(self.family);
        self.commit(|batch| {
            batch
                .add_elements(BRIDGES.name, &[Element::key(name(bridge))])
                .add_elements(LOCAL.name, &[Element::key(name(bridge).repeat(2))])
                .add_elements(subnets.name, &range);
        })
    }

    /// Forwards ports, which nobody may have.
    pub(super) fn publish(&mut self, ports: &[Published]) -> Result<(), NetworkError> {
        let sets = self.published_sets();
        let mut elements = [Vec::new(), Vec::new()];
        for port in ports {
            elements[usize::from(port.mapping.host_addr.is_unspecified())].push(entry(port));
        }
        self.commit(|batch| {
            for (set, elements) in sets.iter().zip(&elements) {
                batch.add_new_elements(set.name, elements);
            }
        })
        .map_err(|error| match (error, ports.first()) {
            (NetworkError::Filter { source, .. }, Some(port)) if source.io_kind() == EXISTS => {
                allocated(&port.mapping)
            }
            (other, _) => other,
        })
    }

    /// Fails when a published port stands in the way of one of `ports`: the
    /// same port of the same address, or of all where one of the two means all.
    pub(super) fn check_free(&mut self, ports: &[Published]) -> Result<(), NetworkError> {
        let mut taken: HashMap<(Protocol, u16), Vec<IpAddr>> = HashMap::new();
        for port in self.published()?.iter().map(|p| &p.mapping) {
            let key = (port.protocol, port.host_port);
            taken.entry(key).or_default().push(port.host_addr);
        }
        for Published { mapping, .. } in ports {
            let addr = mapping.host_addr;
            let at = taken
                .entry((mapping.protocol, mapping.host_port))
                .or_default();
            let conflict =
                |other: &IpAddr| addr == *other || addr.is_unspecified() || other.is_unspecified();
            if at.iter().any(conflict) {
                return Err(allocated(mapping));
            }
            at.push(addr);
        }
        Ok(())
    }

    /// Every published port. Nothing is written: before the first container
    /// there is no table.
    pub(super) fn published(&mut self) -> Result<Vec<Published>, NetworkError> {
        let elements = self.published_elements()?;
        Ok(elements.iter().filter_map(decode).collect())
    }

    /// The endpoints that have published ports.
    pub(super) fn endpoints(&mut self) -> Result<Vec<String>, NetworkError> {
        let elements = self.published_elements()?;
        let mut all: Vec<_> = elements.into_iter().map(|e| e.comment).collect();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn published_sets(&self) -> [Set<'static>; 2] {
        [published_addr(self.family), published_any(self.family)]
    }

    fn published_elements(&mut self) -> Result<Vec<Element>, NetworkError> {
        let mut all = Vec::new();
        for set in self.published_sets() {
            match self.list(set.name) {
                Ok(elements) => all.extend(elements),
                Err(error) if missing(&error) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(all)
    }

    /// Takes back every port of an endpoint.
    pub(super) fn withdraw(&mut self, endpoint: &str) -> Result<(), NetworkError> {
        self.remove(&self.published_sets(), |mut all| {
            all.retain(|element| element.comment == endpoint);
            all
        })
    }

    /// Takes back the ports of an endpoint that lead to one of its addresses.
    pub(super) fn withdraw_from(&mut self, endpoint: &str, to: IpAddr) -> Result<(), NetworkError> {
        let to = bytes(to);
        self.remove(&self.published_sets(), |mut all| {
            all.retain(|element| element.comment == endpoint && element.value.starts_with(&to));
            all
        })
    }

    /// Takes back what `admit` and `masquerade` added for a network.
    pub(super) fn forget(&mut self, bridge: &str) -> Result<(), NetworkError> {
        self.remove(&[BRIDGES, LOCAL, INTERNAL], |mut all| {
            all.retain(|element| element.key.starts_with(&name(bridge)));
            all
        })?;
        self.remove(&[subnets(self.family)], |all| {
            let ranges = all.iter().filter_map(|start| range_of(start, bridge));
            ranges.flatten().collect()
        })
    }

    /// What there is. Nothing is written.
    pub(super) fn held(&mut self) -> Result<Held, NetworkError> {
        let (table, family) = (self.table.clone(), self.family);
        let listed = self.socket().and_then(|socket| {
            let mut batch = socket.batch(&table);
            rules::build(&mut batch, family);
            let rules = match socket.rules(&table) {
                Err(error) if missing(&error) => Vec::new(),
                other => other?,
            };
            Ok((rules, batch.rules().to_vec()))
        });
        let (rules, wanted) = listed.map_err(|e| self.failed(e))?;
        let mut elements = Vec::new();
        for set in [
            BRIDGES,
            LOCAL,
            INTERNAL,
            subnets(family),
            published_addr(family),
            published_any(family),
        ] {
            match self.list(set.name) {
                Ok(found) => elements.extend(found.into_iter().map(|e| (set.name, e))),
                Err(error) if missing(&error) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(Held {
            table,
            rules,
            wanted,
            elements,
            warnings: self.foreign_drop().into_iter().collect(),
        })
    }

    /// Writes the rules, whatever became of them.
    pub(super) fn rewrite(&mut self) -> Result<(), NetworkError> {
        self.written = false;
        self.write()
    }

    /// Deletes the table with everything in it.
    pub(super) fn delete_table(&mut self) -> Result<(), NetworkError> {
        self.written = false;
        self.apply(|batch| {
            batch.delete_table();
        })
        .map_err(|e| self.failed(e))
    }

    /// Deletes the elements that `choose` leaves of each set's.
    fn remove(
        &mut self,
        sets: &[Set<'_>],
        choose: impl Fn(Vec<Element>) -> Vec<Element>,
    ) -> Result<(), NetworkError> {
        for set in sets {
            let elements = match self.list(set.name) {
                Ok(elements) => choose(elements),
                // No table, no element.
                Err(error) if missing(&error) => continue,
                Err(error) => return Err(self.failed(error)),
            };
            if !elements.is_empty() {
                self.apply(|batch| {
                    batch.delete_elements(set.name, &elements);
                })
                .map_err(|e| self.failed(e))?;
            }
        }
        Ok(())
    }

    /// Applies a change. Somebody may have flushed the ruleset since the rules
    /// were written (`nft flush ruleset`, a reload of firewalld): then the
    /// table is gone, and is written again before the change.
    fn commit(&mut self, fill: impl Fn(&mut Batch)) -> Result<(), NetworkError> {
        self.write()?;
        match self.apply(&fill) {
            Err(error) if missing(&error) => {
                self.written = false;
                self.write()?;
                self.apply(&fill)
            }
            other => other,
        }
        .map_err(|e| self.failed(e))
    }

    /// Writes the rules, once.
    fn write(&mut self) -> Result<(), NetworkError> {
        if self.written {
            return Ok(());
        }
        let family = self.family;
        self.apply(|batch| rules::build(batch, family))
            .map_err(|e| self.failed(e))?;
        self.written = true;
        self.warning = self.foreign_drop();
        Ok(())
    }

    /// Docker, and some firewalls, drop forwarded packets that their own rules
    /// do not know, and a drop of theirs wins over our accept.
    fn foreign_drop(&mut self) -> Option<String> {
        let chains = self.socket().ok()?.base_chains(Hook::Forward).ok()?;
        let chain = chains
            .iter()
            .find(|chain| chain.drops_by_default && chain.table != self.table)?;
        Some(format!(
            "packet filter chain {} of table {} drops forwarded packets by default (Docker sets it \
             so): bridge networks reach nothing beyond the host until it accepts their interfaces, beside \
             Docker by `iptables -I DOCKER-USER -i BRIDGE -j ACCEPT` and the same with -o",
            chain.name, chain.table
        ))
    }

    fn apply(&mut self, fill: impl Fn(&mut Batch)) -> Result<(), sys::Error> {
        let table = self.table.clone();
        let socket = self.socket()?;
        let mut batch = socket.batch(&table);
        fill(&mut batch);
        socket.commit(batch)
    }

    fn list(&mut self, set: &str) -> Result<Vec<Element>, sys::Error> {
        let table = self.table.clone();
        self.socket()?.elements(&table, set)
    }

    fn socket(&mut self) -> Result<&mut FilterSocket, sys::Error> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => FilterSocket::open_for(self.family)?,
        };
        Ok(self.socket.insert(socket))
    }

    /// The part refused says which kernel modules it needs. `write` commits
    /// first, so that nothing of our own can be what is not found.
    fn failed(&self, source: sys::Error) -> NetworkError {
        use nix::libc::{EAFNOSUPPORT, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT};
        let table = self.table.clone();
        match source.errno() {
            ENOENT | EOPNOTSUPP | EPROTONOSUPPORT | EAFNOSUPPORT => {
                NetworkError::FilterUnsupported { table, source }
            }
            _ => NetworkError::Filter { table, source },
        }
    }
}

const EXISTS: std::io::ErrorKind = std::io::ErrorKind::AlreadyExists;

/// Whether there is no such table, or no nf_tables at all.
fn missing(error: &sys::Error) -> bool {
    [nix::libc::ENOENT, nix::libc::EPROTONOSUPPORT].contains(&error.errno())
}

fn allocated(mapping: &PortMapping) -> NetworkError {
    NetworkError::PortAllocated(SocketAddr::new(mapping.host_addr, mapping.host_port))
}
