//! What stays open between plans.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_sys::netlink::RouteSocket;

use super::error::NetworkError;
use super::firewall::Firewall;
use super::housekeeper::Housekeeper;

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

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
    firewall: Mutex<Firewall>,
    housekeeper: Housekeeper,
    forwarding_was_off: AtomicBool,
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
            firewall: Mutex::new(Firewall::new(table)),
            housekeeper: Housekeeper::start(open()?).map_err(NetworkError::Socket)?,
            forwarding_was_off: AtomicBool::new(false),
            next_port: AtomicU16::new(super::ports::FIRST),
        })))
    }

    /// Whether IPv4 forwarding was off and has been switched on for a network.
    /// The host then routes between its other interfaces too.
    pub fn forwarding_was_off(&self) -> bool {
        self.0.forwarding_was_off.load(Ordering::Relaxed)
    }

    /// Deletes the packet-filter table: every published port, all masquerading.
    pub fn delete_table(&self) -> Result<(), NetworkError> {
        self.firewall().delete_table()
    }

    pub(super) fn route(&self) -> MutexGuard<'_, RouteSocket> {
        // A panic leaves nothing half done behind in these: the next request
        // drains the socket and starts anew.
        self.0.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn firewall(&self) -> MutexGuard<'_, Firewall> {
        self.0
            .firewall
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

    /// Packets are forwarded between interfaces.
    pub(super) fn forward(&self) -> Result<(), NetworkError> {
        if set_sysctl(IP_FORWARD, "1")? {
            self.0.forwarding_was_off.store(true, Ordering::Relaxed);
        }
        Ok(())
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
