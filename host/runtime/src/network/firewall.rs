//! What the packet filter holds for us: the networks' entries and the
//! published ports. The kernel's table is the truth; nothing is remembered
//! here that a restart of the daemon would lose.

use std::net::{IpAddr, Ipv4Addr};

use bulkhead_model::network::{Cidr, PortMapping, Protocol};
use bulkhead_sys as sys;
use bulkhead_sys::nft::{Batch, Element, FilterSocket, Hook, IntervalEnd, ListedRule, Set};

use super::error::NetworkError;
use super::rules::{self, BRIDGES, INTERNAL, LOCAL, PUBLISHED_ADDR, PUBLISHED_ANY, SUBNETS};

/// A port that the packet filter forwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// Whose it is.
    pub endpoint: String,
    /// The mapping.
    pub mapping: PortMapping,
    /// The container's address.
    pub to: Ipv4Addr,
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
    table: String,
    /// Whether this process has written the rules.
    written: bool,
    /// A foreign chain that drops what it does not know, found when the rules
    /// were written.
    pub(super) warning: Option<String>,
}

impl Firewall {
    pub(super) fn new(table: &str) -> Self {
        Self {
            socket: None,
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
        let range = range(source, bridge)?;
        self.commit(|batch| {
            batch
                .add_elements(BRIDGES.name, &[Element::key(name(bridge))])
                .add_elements(LOCAL.name, &[Element::key(name(bridge).repeat(2))])
                .add_elements(SUBNETS.name, &range);
        })
    }

    /// Forwards a port, which nobody may have.
    pub(super) fn publish(&mut self, published: &Published) -> Result<(), NetworkError> {
        let (set, element) = entry(published);
        self.commit(|batch| {
            batch.add_new_elements(set.name, std::slice::from_ref(&element));
        })
        .map_err(|error| match error {
            NetworkError::Filter { source, .. } if source.io_kind() == EXISTS => {
                allocated(&published.mapping)
            }
            other => other,
        })
    }

    /// Fails when a published port stands in the way of `mapping`: the same
    /// port of the same address, or of all where one of the two means all.
    pub(super) fn check_free(&mut self, mapping: &PortMapping) -> Result<(), NetworkError> {
        let conflict = |other: &Published| {
            let (a, b) = (mapping.host_addr, other.mapping.host_addr);
            other.mapping.protocol == mapping.protocol
                && other.mapping.host_port == mapping.host_port
                && (a == b || a.is_unspecified() || b.is_unspecified())
        };
        match self.published()?.iter().any(conflict) {
            true => Err(allocated(mapping)),
            false => Ok(()),
        }
    }

    /// Every published port.
    pub(super) fn published(&mut self) -> Result<Vec<Published>, NetworkError> {
        self.write()?;
        let mut all = Vec::new();
        for set in [PUBLISHED_ADDR, PUBLISHED_ANY] {
            let elements = self.elements(set.name)?;
            all.extend(elements.iter().filter_map(decode));
        }
        Ok(all)
    }

    /// The endpoints that have published ports. Nothing is written: before
    /// the first container there is no table.
    pub(super) fn endpoints(&mut self) -> Result<Vec<String>, NetworkError> {
        let mut all = Vec::new();
        for set in [PUBLISHED_ADDR, PUBLISHED_ANY] {
            match self.list(set.name) {
                Ok(elements) => all.extend(elements.into_iter().map(|e| e.comment)),
                Err(error) if missing(&error) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Takes back every port of an endpoint.
    pub(super) fn withdraw(&mut self, endpoint: &str) -> Result<(), NetworkError> {
        self.remove(&[PUBLISHED_ADDR, PUBLISHED_ANY], |mut all| {
            all.retain(|element| element.comment == endpoint);
            all
        })
    }

    /// Takes back the ports of an endpoint that lead to one of its addresses.
    pub(super) fn withdraw_from(
        &mut self,
        endpoint: &str,
        to: Ipv4Addr,
    ) -> Result<(), NetworkError> {
        self.remove(&[PUBLISHED_ADDR, PUBLISHED_ANY], |mut all| {
            all.retain(|element| {
                element.comment == endpoint && element.value.starts_with(&to.octets())
            });
            all
        })
    }

    /// Takes back what `admit` and `masquerade` added for a network.
    pub(super) fn forget(&mut self, bridge: &str) -> Result<(), NetworkError> {
        self.remove(&[BRIDGES, LOCAL, INTERNAL], |mut all| {
            all.retain(|element| element.key.starts_with(&name(bridge)));
            all
        })?;
        self.remove(&[SUBNETS], |all| {
            let ranges = all.iter().filter_map(|start| range_of(start, bridge));
            ranges.flatten().collect()
        })
    }

    /// What there is. Nothing is written.
    pub(super) fn held(&mut self) -> Result<Held, NetworkError> {
        let table = self.table.clone();
        let listed = self.socket().and_then(|socket| {
            let mut batch = socket.batch(&table);
            rules::build(&mut batch);
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
            SUBNETS,
            PUBLISHED_ADDR,
            PUBLISHED_ANY,
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

    fn elements(&mut self, set: &str) -> Result<Vec<Element>, NetworkError> {
        match self.list(set) {
            Err(error) if missing(&error) => {
                self.written = false;
                self.write()?;
                self.list(set)
            }
            other => other,
        }
        .map_err(|e| self.failed(e))
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
        self.apply(rules::build).map_err(|e| self.failed(e))?;
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
            None => FilterSocket::open()?,
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
    NetworkError::PortAllocated {
        addr: mapping.host_addr,
        port: mapping.host_port,
    }
}

/// An interface name as the kernel compares it: sixteen bytes.
pub(super) fn name(interface: &str) -> Vec<u8> {
    let mut bytes = interface.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// The bounds of a subnet: its first address, which says whose it is, and the
/// one after its last, to which the kernel lets no comment be attached.
pub(super) fn range(subnet: Cidr, bridge: &str) -> Result<[Element; 2], NetworkError> {
    let IpAddr::V4(first) = subnet.network() else {
        return Err(NetworkError::NotIpv4(subnet));
    };
    let size = u32::MAX
        .checked_shr(subnet.prefix.into())
        .unwrap_or(0)
        .wrapping_add(1);
    let after = u32::from(first).wrapping_add(size);
    let start = Element {
        comment: format!("{bridge} {subnet}"),
        ..Element::key(first.octets())
    };
    let end = Element {
        interval: IntervalEnd::End,
        ..Element::key(after.to_be_bytes())
    };
    Ok([start, end])
}

/// The bounds of a subnet of `bridge`, by its first element.
fn range_of(start: &Element, bridge: &str) -> Option<[Element; 2]> {
    let subnet = start.comment.strip_prefix(bridge)?.strip_prefix(' ')?;
    range(subnet.parse().ok()?, bridge).ok()
}

/// The map and the element of a published port.
pub(super) fn entry(published: &Published) -> (Set<'static>, Element) {
    let mapping = &published.mapping;
    let number = match mapping.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    let (set, mut key) = if mapping.host_addr.is_unspecified() {
        (PUBLISHED_ANY, Vec::new())
    } else {
        (PUBLISHED_ADDR, mapping.host_addr.octets().to_vec())
    };
    key.extend_from_slice(&[number, 0, 0, 0]);
    key.extend_from_slice(&padded(mapping.host_port));
    let element = Element {
        value: [published.to.octets(), padded(mapping.container_port)].concat(),
        comment: published.endpoint.clone(),
        ..Element::key(key)
    };
    (set, element)
}

fn padded(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

/// The inverse of [`entry`].
pub(super) fn decode(element: &Element) -> Option<Published> {
    let (addr, rest) = match element.key.as_slice() {
        [a, b, c, d, rest @ ..] if rest.len() == 8 => (Ipv4Addr::new(*a, *b, *c, *d), rest),
        rest => (Ipv4Addr::UNSPECIFIED, rest),
    };
    let ([number, _, _, _, high, low, ..], [a, b, c, d, to_high, to_low, ..]) =
        (rest, element.value.as_slice())
    else {
        return None;
    };
    let protocol = match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return None,
    };
    Some(Published {
        endpoint: element.comment.clone(),
        mapping: PortMapping {
            protocol,
            host_addr: addr,
            host_port: u16::from_be_bytes([*high, *low]),
            container_port: u16::from_be_bytes([*to_high, *to_low]),
        },
        to: Ipv4Addr::new(*a, *b, *c, *d),
    })
}
