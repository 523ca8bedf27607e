//! Links: bridges, veth pairs, masters, up and down.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::attribute::{attributes, text, u32_at, u32_of};
use super::socket::{Reply, RouteSocket};
use crate::error::Result;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = REQUEST | libc::NLM_F_ACK as u16;
pub(super) const CREATE: u16 = ACK | libc::NLM_F_CREATE as u16 | libc::NLM_F_EXCL as u16;
const DUMP: u16 = REQUEST | libc::NLM_F_DUMP as u16;

pub(super) const UP: u32 = libc::IFF_UP as u32;

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// `IFLA_BR_FORWARD_DELAY` of linux/if_link.h.
const IFLA_BR_FORWARD_DELAY: u16 = 1;
/// Leaves the counters, most of a link's message, out of the answer.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
/// `IFLA_BRPORT_STATE` and `IFLA_BRPORT_FLUSH` of linux/if_link.h.
const IFLA_BRPORT_STATE: u16 = 1;
/// `IFLA_BRPORT_MODE`, the hairpin flag.
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_FLUSH: u16 = 22;
const IFLA_BRPORT_ISOLATED: u16 = 33;

/// A link as the kernel lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The interface index.
    pub index: u32,
    /// The interface name.
    pub name: String,
    /// What made it: `bridge`, `veth`; empty for physical devices and `lo`.
    pub kind: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// The index of its bridge, 0 for none.
    pub master: u32,
    /// MTU in bytes.
    pub mtu: u32,
    /// The hardware address, six bytes for Ethernet.
    pub mac: Vec<u8>,
    /// What its maker wrote on it; often empty.
    pub alias: String,
}

/// A veth pair (veth(4)) whose second end appears in another namespace.
#[derive(Debug)]
pub struct Veth<'a> {
    /// The name of the end here.
    pub name: &'a str,
    /// The index of the bridge that takes the end here.
    pub master: Option<u32>,
    /// Whether the bridge may send a frame back by the port it came from. It
    /// must where br_netfilter rewrites a container's packet, while it is
    /// still bridged, to the container itself.
    pub hairpin: bool,
    /// Whether the bridge keeps it from other isolated ports.
    pub isolated: bool,
    /// MTU of both ends, in bytes.
    pub mtu: u32,
    /// The other end.
    pub peer: Peer<'a>,
}

/// The end of a veth pair in another namespace.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its name there.
    pub name: &'a str,
    /// Its hardware address; a random one without.
    pub mac: Option<[u8; 6]>,
    /// The network namespace.
    pub namespace: BorrowedFd<'a>,
}

impl RouteSocket {
    /// The link called `name`.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_GETLINK, ACK, &ifinfomsg(0, 0, 0))
            .u32(libc::IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
            .string(libc::IFLA_IFNAME, name);
        match self.0.request(&encoder, "RTM_GETLINK", || name.to_owned()) {
            Ok(replies) => Ok(replies.iter().find_map(link)),
            Err(error) if error.errno() == libc::ENODEV => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every link of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_GETLINK, DUMP, &ifinfomsg(0, 0, 0));
        let replies = self
            .0
            .dump(&encoder, "RTM_GETLINK", || "every link".to_owned())?;
        Ok(replies.iter().filter_map(link).collect())
    }

    /// Makes a bridge, up, without spanning tree and without forward delay: a
    /// port forwards from the moment it is attached. `alias` says whose it is.
    pub fn create_bridge(&mut self, name: &str, mac: [u8; 6], alias: &str) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, UP, UP))
            .string(libc::IFLA_IFNAME, name)
            .attribute(libc::IFLA_ADDRESS, &mac)
            .nest(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_KIND, "bridge")
                    .nest(libc::IFLA_INFO_DATA, |data| {
                        data.u32(IFLA_BR_FORWARD_DELAY, 0);
                    });
            });
        encode_alias(&mut encoder, name, alias);
        self.0
            .request(&encoder, "RTM_NEWLINK", || format!("bridge {name}"))
            .map(drop)
    }

    /// Makes a veth pair in one round trip: this end up and in its bridge, the
    /// other in its namespace, down, because the kernel configures that one
    /// before the two are joined and refuses to open it then (ENOTCONN).
    pub fn create_veth(&mut self, veth: &Veth<'_>) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, UP, UP))
            .string(libc::IFLA_IFNAME, veth.name)
            .u32(libc::IFLA_MTU, veth.mtu);
        one_queue(&mut encoder);
        if let Some(master) = veth.master {
            encoder.u32(libc::IFLA_MASTER, master);
        }
        encoder.nest(libc::IFLA_LINKINFO, |info| {
            info.string(libc::IFLA_INFO_KIND, "veth")
                .nest(libc::IFLA_INFO_DATA, |data| {
                    data.nest(VETH_INFO_PEER, |peer| {
                        encode_peer(peer, &veth.peer, veth.mtu);
                    });
                });
        });
        if veth.hairpin || veth.isolated {
            encode_port(&mut encoder, veth);
        }
        self.0
            .request(&encoder, "RTM_NEWLINK", || {
                format!("veth {}, peer {}", veth.name, veth.peer.name)
            })
            .map(drop)
    }

    /// Puts a link into a bridge.
    pub fn set_master(&mut self, link: u32, bridge: u32) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, ACK, &ifinfomsg(link, 0, 0))
            .u32(libc::IFLA_MASTER, bridge);
        self.0
            .request(&encoder, "RTM_NEWLINK", || {
                format!("link {link}, master {bridge}")
            })
            .map(drop)
    }

    /// Sets the link called `name` up and returns it, in one round trip.
    pub fn bring_up(&mut self, name: &str) -> Result<Option<Link>> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, ACK, &ifinfomsg(0, UP, UP))
            .string(libc::IFLA_IFNAME, name)
            .begin(libc::RTM_GETLINK, ACK, &ifinfomsg(0, 0, 0))
            .u32(libc::IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
            .string(libc::IFLA_IFNAME, name);
        match self
            .0
            .request(&encoder, "RTM_NEWLINK", || format!("link {name}, up"))
        {
            Ok(replies) => Ok(replies.iter().find_map(link)),
            Err(error) if error.errno() == libc::ENODEV => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a link up.
    pub fn set_up(&mut self, link: u32) -> Result<()> {
        self.set_flags(link, UP)
    }

    /// Sets a link down.
    pub fn set_down(&mut self, link: u32) -> Result<()> {
        self.set_flags(link, 0)
    }

    fn set_flags(&mut self, link: u32, flags: u32) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_NEWLINK, ACK, &ifinfomsg(link, flags, UP));
        let state = if flags & UP == 0 { "down" } else { "up" };
        self.0
            .request(&encoder, "RTM_NEWLINK", || format!("link {link}, {state}"))
            .map(drop)
    }

    /// Stops a bridge port at once: nothing is forwarded to or from it and the
    /// bridge forgets what it learnt there. Unlike setting the link down this
    /// waits for no RCU grace period.
    pub fn disable_port(&mut self, link: u32) -> Result<()> {
        const BR_STATE_DISABLED: u8 = 0;
        let mut header = ifinfomsg(link, 0, 0);
        header[0] = libc::AF_BRIDGE as u8;
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_SETLINK, ACK, &header).nest(
            libc::IFLA_PROTINFO,
            |port: &mut super::Encoder| {
                port.attribute(IFLA_BRPORT_STATE, &[BR_STATE_DISABLED])
                    .attribute(IFLA_BRPORT_FLUSH, &[]);
            },
        );
        self.0
            .request(&encoder, "RTM_SETLINK", || {
                format!("port {link}, state disabled")
            })
            .map(drop)
    }

    /// Deletes the link called `name`; whether there was one. This waits for
    /// RCU grace periods, tens of milliseconds on some machines.
    pub fn delete_link(&mut self, name: &str) -> Result<bool> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_DELLINK, ACK, &ifinfomsg(0, 0, 0))
            .string(libc::IFLA_IFNAME, name);
        self.delete(&encoder, &|| name.to_owned())
    }

    /// Deletes the link with this index; whether there was one. Unlike a name,
    /// an index is not given to another link soon.
    pub fn delete_link_by_index(&mut self, link: u32) -> Result<bool> {
        let mut encoder = self.0.encoder();
        encoder.begin(libc::RTM_DELLINK, ACK, &ifinfomsg(link, 0, 0));
        self.delete(&encoder, &|| format!("link {link}"))
    }

    fn delete(&mut self, encoder: &super::Encoder, arguments: &dyn Fn() -> String) -> Result<bool> {
        match self.0.request(encoder, "RTM_DELLINK", arguments) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == libc::ENODEV => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The kernel would make one queue per possible CPU, each with its own sysfs
/// objects, on both ends. Queues of a veth serve XDP and threaded NAPI only.
fn one_queue(encoder: &mut super::Encoder) {
    encoder
        .u32(libc::IFLA_NUM_TX_QUEUES, 1)
        .u32(libc::IFLA_NUM_RX_QUEUES, 1);
}

/// The kernel takes an alias for an existing link only, hence the second message.
pub(super) fn encode_alias(encoder: &mut super::Encoder, name: &str, alias: &str) {
    encoder
        .begin(libc::RTM_NEWLINK, ACK, &ifinfomsg(0, 0, 0))
        .string(libc::IFLA_IFNAME, name)
        .attribute(libc::IFLA_IFALIAS, alias.as_bytes());
}

/// A bridge takes a port's attributes of an existing link only, hence the
/// second message.
fn encode_port(encoder: &mut super::Encoder, veth: &Veth<'_>) {
    encoder
        .begin(libc::RTM_NEWLINK, ACK, &ifinfomsg(0, 0, 0))
        .string(libc::IFLA_IFNAME, veth.name)
        .nest(libc::IFLA_LINKINFO, |info| {
            info.string(libc::IFLA_INFO_SLAVE_KIND, "bridge").nest(
                libc::IFLA_INFO_SLAVE_DATA,
                |port| {
                    port.attribute(IFLA_BRPORT_MODE, &[veth.hairpin.into()])
                        .attribute(IFLA_BRPORT_ISOLATED, &[veth.isolated.into()]);
                },
            );
        });
}

fn encode_peer(encoder: &mut super::Encoder, peer: &Peer<'_>, mtu: u32) {
    encoder
        .raw(&ifinfomsg(0, 0, 0))
        .string(libc::IFLA_IFNAME, peer.name)
        .u32(libc::IFLA_MTU, mtu)
        .u32(
            libc::IFLA_NET_NS_FD,
            peer.namespace.as_raw_fd().cast_unsigned(),
        );
    one_queue(encoder);
    if let Some(mac) = peer.mac {
        encoder.attribute(libc::IFLA_ADDRESS, &mac);
    }
}

/// `struct ifinfomsg`: family, type, index, flags, change mask.
pub(super) fn ifinfomsg(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// Reads an RTM_NEWLINK.
fn link(reply: &Reply) -> Option<Link> {
    if reply.kind != libc::RTM_NEWLINK {
        return None;
    }
    let mut link = Link {
        index: u32_at(&reply.payload, 4)?,
        name: String::new(),
        kind: String::new(),
        up: u32_at(&reply.payload, 8)? & UP != 0,
        master: 0,
        mtu: 0,
        mac: Vec::new(),
        alias: String::new(),
    };
    for (kind, value) in attributes(reply.payload.get(16..)?) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_MASTER => link.master = u32_of(value).unwrap_or(0),
            libc::IFLA_MTU => link.mtu = u32_of(value).unwrap_or(0),
            libc::IFLA_ADDRESS => link.mac = value.to_vec(),
            libc::IFLA_IFALIAS => link.alias = text(value),
            libc::IFLA_LINKINFO => link.kind = info_kind(value),
            _ => {}
        }
    }
    Some(link)
}

fn info_kind(info: &[u8]) -> String {
    let kind = attributes(info).find(|(kind, _)| *kind == libc::IFLA_INFO_KIND);
    kind.map(|(_, value)| text(value)).unwrap_or_default()
}
