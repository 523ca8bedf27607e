//! What stays open between plans.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::network::Family;
use bulkhead_sys::netlink::RouteSocket;

use super::error::NetworkError;
use super::firewall::Firewall;
use super::housekeeper::Housekeeper;

/// Setting `all` sets it for every interface that is there and that comes.
fn forwarding(family: Family) -> &'static str {
    match family {
        Family::V4 => "/proc/sys/net/ipv4/ip_forward",
        Family::V6 => "/proc/sys/net/ipv6/conf/all/forwarding",
    }
}

/// What connecting endpoints needs: sockets in the host's network namespace
/// and the name of the packet-filter table. Clones share them.
///
/// Files below `/proc/sys/net` are those of the calling thread's namespace,
/// so calls that take a context must come from the namespace it was opened in.
#[derive(Clone, Debug)]
pub struct NetworkContext(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    route: Mutex<RouteSocket>,
    /// By family, IPv4 first.
    firewalls: [Mutex<Firewall>; 2],
    mark: String,
    housekeeper: Housekeeper,
    forwarding_was_off: [AtomicBool; 2],
    next_port: AtomicU16,
}

impl NetworkContext {
    /// Opens the sockets in the calling thread's namespace. Nothing is changed
    /// before the first plan needs it. `table` is the packet-filter table's
    /// name, one per daemon: `bulkhead`.
    pub fn open(table: &str) -> Result<Self, NetworkError> {
        let open = || RouteSocket::open().map_err(NetworkError::Socket);
        Ok(Self(Arc::new(Shared {
            route: Mutex::new(open()?),
            firewalls: Family::BOTH.map(|family| Mutex::new(Firewall::new(table, family))),
            mark: format!("{table} network"),
            housekeeper: Housekeeper::start(open()?).map_err(NetworkError::Socket)?,
            forwarding_was_off: Default::default(),
            next_port: AtomicU16::new(super::ports::FIRST),
        })))
    }

    /// Whether forwarding was off and has been switched on for a network. The
    /// host then routes between its other interfaces too.
    pub fn forwarding_was_off(&self, family: Family) -> bool {
        self.0.forwarding_was_off[family as usize].load(Ordering::Relaxed)
    }

    /// Deletes the packet-filter tables: every published port, all masquerading.
    pub fn delete_table(&self) -> Result<(), NetworkError> {
        let deleted = Family::BOTH.map(|family| self.firewall(family).delete_table());
        deleted.into_iter().collect()
    }

    /// What links made here have as their alias.
    pub(super) fn mark(&self) -> &str {
        &self.0.mark
    }

    pub(super) fn route(&self) -> MutexGuard<'_, RouteSocket> {
        // A panic leaves nothing half done behind in these: the next request
        // drains the socket and starts anew.
        self.0.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn firewall(&self, family: Family) -> MutexGuard<'_, Firewall> {
        let firewall = self.0.firewalls[family as usize].lock();
        firewall.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn housekeeper(&self) -> &Housekeeper {
        &self.0.housekeeper
    }

    /// The port to try next, in turn, as Docker allocates them.
    pub(super) fn next_port(&self) -> u16 {
        let advance = |port| {
            Some(if port == super::ports::LAST {
                super::ports::FIRST
            } else {
                port + 1
            })
        };
        let previous = self
            .0
            .next_port
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance);
        previous.unwrap_or_else(|port| port)
    }

    /// Packets are forwarded between interfaces; what the user should know
    /// when they were not before.
    pub(super) fn forward(&self, family: Family) -> Result<Option<&'static str>, NetworkError> {
        if !set_sysctl(forwarding(family), "1")? {
            return Ok(None);
        }
        self.0.forwarding_was_off[family as usize].store(true, Ordering::Relaxed);
        Ok(Some(match family {
            Family::V4 => {
                "IPv4 forwarding was off and is on now, for networks of containers: this host routes \
                 between all its interfaces"
            }
            // Linux, networking/ip-sysctl: accept_ra.
            Family::V6 => {
                "IPv6 forwarding was off and is on now, for networks of containers: this host routes \
                 between all its interfaces, and those with accept_ra=1 take no router advertisements"
            }
        }))
    }
}

/// Writes a setting unless it has the value; whether it was changed.
pub(super) fn set_sysctl(path: &str, value: &'static str) -> Result<bool, NetworkError> {
    if fs::read_to_string(path).is_ok_and(|now| now.trim_end() == value) {
        return Ok(false);
    }
    fs::write(path, value)
        .map(|()| true)
        .map_err(|source| NetworkError::Sysctl {
            path: path.to_owned(),
            value,
            source,
        })
}
