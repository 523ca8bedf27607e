//! Network plans carried out: namespace, bridge, veth pair, addresses, routes,
//! masquerading and published ports, each with its undo.
//!
//! ```no_run
//! # use bulkhead_runtime::network::{NetworkContext, attach, detach};
//! # fn run(plan: &bulkhead_model::network::NetworkPlan) -> Result<(), Box<dyn std::error::Error>> {
//! let context = NetworkContext::open("bulkhead")?;
//! let attached = attach(plan, "3f4e…", &context)?;
//! // … the container's process enters attached.netns() and starts …
//! let connection = attached.keep();
//! // … the container ends …
//! detach(plan, "3f4e…", &context)?;
//! # Ok(()) }
//! ```
//!
//! What belongs to a *network* (its bridge, the masquerading of its subnet)
//! stays when an endpoint goes or fails to come; [`remove_network`] ends it.
//! What belongs to an *endpoint* (the pair, its published ports) goes with it.
//!
//! # Published ports
//!
//! A port is forwarded by the kernel alone, so it works while the daemon is
//! down, and the packet filter's map is the truth about which endpoint has it.
//! A map entry does not keep a process of the host from binding the port, nor
//! a second daemon with a table of its own from forwarding it. [`attach`]
//! therefore binds and listens on the port before it makes the entry, which
//! fails if anybody is there, and hands the socket out: whoever keeps it (the
//! container's shim, which lives exactly as long as the port is wanted) keeps
//! the port reserved on the host. No packet reaches that socket, as the
//! destination is rewritten before.

mod bridge;
mod context;
pub(crate) mod counters;
mod detach;
mod endpoint;
mod error;
mod firewall;
mod housekeeper;
mod parent;
mod ports;
mod publish;
mod report;
mod resolver;
mod rules;
mod subnet;
#[cfg(test)]
mod tests;

pub use bridge::remove_network;
pub use context::NetworkContext;
pub use detach::{detach, detach_link};
pub use endpoint::{Attached, Connection, attach, attach_in, restore};
pub use error::NetworkError;
pub use firewall::Published;
pub use parent::check_parent;
pub use ports::{PortReservation, endpoints, free_port, published};
pub use report::{FirewallReport, Owner, ReportedEntry, ReportedRule, Standing, mend, report};
pub use resolver::sockets as resolver_sockets;
pub use subnet::pick_subnet;
