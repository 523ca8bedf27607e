//! Addresses and routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::{attributes, u32_at, u32_of};
use super::socket::{Reply, RouteSocket};
use crate::error::Result;

const ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = ACK | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
const REPLACE: u16 = ACK | (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16;
const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// An address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The interface index.
    pub link: u32,
    /// The address.
    pub addr: IpAddr,
    /// The prefix length.
    pub prefix: u8,
}

/// A unicast route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The destination; host bits are zero.
    pub dest: IpAddr,
    /// The destination's prefix length; 0 is the default route.
    pub prefix: u8,
    /// The next hop.
    pub via: Option<IpAddr>,
    /// The outgoing interface's index; 0 lets the kernel find it by the next hop.
    pub link: u32,
}

impl RouteSocket {
    /// Adds an address; `EEXIST` when the interface has it. An IPv4 subnet
    /// gets its broadcast address, as `ip address add ... brd +` gives it.
    pub fn add_address(&mut self, address: &Address) -> Result<()> {
        let header = ifaddrmsg(address);
        let bytes = octets(address.addr);
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWADDR, CREATE, &header)
            .attribute(libc::IFA_LOCAL, &bytes)
            .attribute(libc::IFA_ADDRESS, &bytes);
        if let Some(broadcast) = broadcast(address) {
            encoder.attribute(libc::IFA_BROADCAST, &broadcast.octets());
        }
        self.0
            .request(&encoder, "RTM_NEWADDR", || {
                format!("{}/{}, link {}", address.addr, address.prefix, address.link)
            })
            .map(drop)
    }

    /// Every IPv4 and IPv6 address of the namespace.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_GETADDR, DUMP, &[0; 8]);
        let replies = self
            .0
            .dump(&encoder, "RTM_GETADDR", || "every address".to_owned())?;
        Ok(replies.iter().filter_map(address).collect())
    }

    /// Adds a route to the main table.
    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        self.new_route(route, CREATE)
    }

    /// Sets a route of the main table, whether there was one to its
    /// destination or not.
    pub fn replace_route(&mut self, route: &Route) -> Result<()> {
        self.new_route(route, REPLACE)
    }

    fn new_route(&mut self, route: &Route, flags: u16) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_NEWROUTE, flags, &rtmsg(route));
        if route.prefix != 0 {
            encoder.attribute(libc::RTA_DST, &octets(route.dest));
        }
        if let Some(via) = route.via {
            encoder.attribute(libc::RTA_GATEWAY, &octets(via));
        }
        if route.link != 0 {
            encoder.u32(libc::RTA_OIF, route.link);
        }
        self.0
            .request(&encoder, "RTM_NEWROUTE", || {
                let via = route.via.map(|via| format!(" via {via}"));
                let via = via.unwrap_or_default();
                format!("{}/{}{via}, link {}", route.dest, route.prefix, route.link)
            })
            .map(drop)
    }

    /// The unicast routes of the main table, of both families.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let mut all = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let mut header = [0; 12];
            header[0] = family as u8;
            let mut encoder = self.0.encoder();
            encoder.begin(libc::RTM_GETROUTE, DUMP, &header);
            let replies = self
                .0
                .dump(&encoder, "RTM_GETROUTE", || "every route".to_owned())?;
            all.extend(replies.iter().filter_map(route));
        }
        Ok(all)
    }
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn family(addr: IpAddr) -> u8 {
    let family = if addr.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    family as u8
}

/// The last address of an IPv4 subnet; point-to-point prefixes have none.
fn broadcast(address: &Address) -> Option<Ipv4Addr> {
    match address.addr {
        IpAddr::V4(v4) if address.prefix < 31 => {
            Some(Ipv4Addr::from(u32::from(v4) | (u32::MAX >> address.prefix)))
        }
        _ => None,
    }
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index. IPv6
/// addresses skip duplicate detection, which would delay their use by a second.
fn ifaddrmsg(address: &Address) -> [u8; 8] {
    let mut header = [0; 8];
    header[0] = family(address.addr);
    header[1] = address.prefix;
    if address.addr.is_ipv6() {
        header[2] = libc::IFA_F_NODAD as u8;
    }
    header[4..].copy_from_slice(&address.link.to_ne_bytes());
    header
}

/// `struct rtmsg`: family, lengths, tos, table, protocol, scope, type, flags.
fn rtmsg(route: &Route) -> [u8; 12] {
    let scope = if route.via.is_some() {
        libc::RT_SCOPE_UNIVERSE
    } else {
        libc::RT_SCOPE_LINK
    };
    let mut header = [0; 12];
    header[0] = family(route.dest);
    header[1] = route.prefix;
    header[4] = libc::RT_TABLE_MAIN;
    header[5] = libc::RTPROT_STATIC;
    header[6] = scope;
    header[7] = libc::RTN_UNICAST;
    header
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Reads an RTM_NEWADDR. `IFA_LOCAL` is the interface's own address;
/// `IFA_ADDRESS` is the same except on point-to-point links, and stands alone
/// for IPv6.
fn address(reply: &Reply) -> Option<Address> {
    if reply.kind != libc::RTM_NEWADDR {
        return None;
    }
    let find = |wanted| {
        attributes(reply.payload.get(8..)?)
            .find(|(kind, _)| *kind == wanted)
            .and_then(|(_, value)| ip(value))
    };
    Some(Address {
        link: u32_at(&reply.payload, 4)?,
        addr: find(libc::IFA_LOCAL).or_else(|| find(libc::IFA_ADDRESS))?,
        prefix: *reply.payload.get(1)?,
    })
}

/// Reads an RTM_NEWROUTE of the main table.
fn route(reply: &Reply) -> Option<Route> {
    let payload = &reply.payload;
    let main = *payload.get(4)? == libc::RT_TABLE_MAIN;
    let unicast = *payload.get(7)? == libc::RTN_UNICAST;
    if reply.kind != libc::RTM_NEWROUTE || !main || !unicast {
        return None;
    }
    let unspecified = match i32::from(*payload.first()?) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut route = Route {
        dest: unspecified,
        prefix: *payload.get(1)?,
        via: None,
        link: 0,
    };
    for (kind, value) in attributes(payload.get(12..)?) {
        match kind {
            libc::RTA_DST => route.dest = ip(value)?,
            libc::RTA_GATEWAY => route.via = ip(value),
            libc::RTA_OIF => route.link = u32_of(value)?,
            _ => {}
        }
    }
    Some(route)
}
