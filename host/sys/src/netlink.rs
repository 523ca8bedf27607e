//! Netlink (netlink(7)): the encoding, a socket on which nothing can hang, and
//! rtnetlink(7) on top of it.
//!
//! The few messages needed here are encoded by hand: a request is built in one
//! buffer and costs one `send` and one `recv`, and attributes such as
//! `IFLA_MASTER` or a peer's `IFLA_NET_NS_FD` go into the message that makes
//! the link, so that a container's pair is one round trip. The kernel handles
//! a request within `send`, which is why replies never have to be waited for;
//! a timeout on the socket is the net below that.
//!
//! A socket belongs to the network namespace its *opening* thread was in, and
//! works there from any thread.

mod address;
mod attribute;
mod link;
mod message;
mod namespace;
mod socket;
mod sublink;
#[cfg(test)]
mod tests;

pub use address::{Address, Route};
pub use link::{Link, Peer, Veth};
pub use namespace::{Namespace, in_namespace};
pub use socket::RouteSocket;
pub use sublink::{SharedLink, Sharing};

pub(crate) use attribute::{attributes, text};
pub(crate) use message::Encoder;
pub(crate) use socket::{Reply, Socket};
