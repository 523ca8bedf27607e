//! Published ports.

use std::net::IpAddr;

/// A transport protocol that a port can be published for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// IPPROTO_TCP
    Tcp,
    /// IPPROTO_UDP
    Udp,
    /// IPPROTO_SCTP
    Sctp,
}

impl Protocol {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// `tcp`, `udp` or `sctp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// The inverse of [`Protocol::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }

    /// Its number in an IP header (IANA's protocol numbers).
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

/// One `-p`: host ports forwarded into the container, as many as `count`, one after the other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PortMapping {
    /// The protocol.
    pub protocol: Protocol,
    /// The host address; 0.0.0.0 is all of IPv4, :: all of IPv6.
    pub host_addr: IpAddr,
    /// The first host port.
    pub host_port: u16,
    /// The container's first port.
    pub container_port: u16,
    /// How many ports, at least one.
    pub count: u16,
}

impl PortMapping {
    /// Each port by itself.
    pub fn single(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.count).map(|n| Self {
            host_port: self.host_port.saturating_add(n),
            container_port: self.container_port.saturating_add(n),
            count: 1,
            ..self.clone()
        })
    }

    /// Makes `next` part of this one if it follows right after its last port;
    /// whether it did.
    pub fn extend(&mut self, next: &Self) -> bool {
        let after = |port: u16| port.checked_add(self.count);
        let follows = self.protocol == next.protocol
            && self.host_addr == next.host_addr
            && after(self.host_port) == Some(next.host_port)
            && after(self.container_port) == Some(next.container_port);
        if follows {
            self.count += next.count;
        }
        follows
    }
}
