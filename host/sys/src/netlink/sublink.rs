//! Links that share another one: macvlan, ipvlan, VLANs; and dummies to be shared.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::link::{CREATE, UP, encode_alias, ifinfomsg};
use super::socket::RouteSocket;
use crate::error::Result;

/// `IFLA_MACVLAN_MODE` of linux/if_link.h.
const IFLA_MACVLAN_MODE: u16 = 1;
/// `IFLA_IPVLAN_MODE` and `IFLA_IPVLAN_FLAGS`.
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;

/// How a link shares its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// `enum macvlan_mode`: 1 private, 2 vepa, 4 bridge, 8 passthru.
    Macvlan(u32),
    /// `enum ipvlan_mode` (0 L2, 1 L3, 2 L3S) and its flags (1 private, 2 vepa).
    Ipvlan(u16, u16),
}

/// A link in another namespace that shares one of this.
#[derive(Debug)]
pub struct SharedLink<'a> {
    /// Its name there.
    pub name: &'a str,
    /// The index of the link here.
    pub parent: u32,
    /// How it is shared.
    pub sharing: Sharing,
    /// MTU in bytes.
    pub mtu: u32,
    /// Its hardware address; a random one without. An ipvlan has its parent's.
    pub mac: Option<[u8; 6]>,
    /// The network namespace.
    pub namespace: BorrowedFd<'a>,
}

impl RouteSocket {
    /// Makes a macvlan or an ipvlan, down. `EOPNOTSUPP` says that the kernel
    /// has none.
    pub fn create_shared(&mut self, link: &SharedLink<'_>) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, 0, 0))
            .string(libc::IFLA_IFNAME, link.name)
            .u32(libc::IFLA_LINK, link.parent)
            .u32(libc::IFLA_MTU, link.mtu)
            .u32(
                libc::IFLA_NET_NS_FD,
                link.namespace.as_raw_fd().cast_unsigned(),
            );
        let (kind, mac) = match link.sharing {
            Sharing::Macvlan(_) => ("macvlan", link.mac),
            Sharing::Ipvlan(..) => ("ipvlan", None),
        };
        if let Some(mac) = mac {
            encoder.attribute(libc::IFLA_ADDRESS, &mac);
        }
        encoder.nest(libc::IFLA_LINKINFO, |info| {
            info.string(libc::IFLA_INFO_KIND, kind)
                .nest(libc::IFLA_INFO_DATA, |data| match link.sharing {
                    Sharing::Macvlan(mode) => {
                        data.u32(IFLA_MACVLAN_MODE, mode);
                    }
                    Sharing::Ipvlan(mode, flags) => {
                        data.attribute(IFLA_IPVLAN_MODE, &mode.to_ne_bytes())
                            .attribute(IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
                    }
                });
        });
        self.0
            .request(&encoder, "RTM_NEWLINK", || {
                format!("{kind} {}, parent {}", link.name, link.parent)
            })
            .map(drop)
    }

    /// Whether the kernel makes links of the kind `macvlan` or `ipvlan`: one
    /// without a parent is refused by the kind itself, if there is one.
    pub fn knows_shared(&mut self, kind: &str) -> Result<bool> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, 0, 0))
            .nest(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_KIND, kind);
            });
        match self.0.request(&encoder, "RTM_NEWLINK", || kind.to_owned()) {
            Err(error) if error.errno() == libc::EOPNOTSUPP => Ok(false),
            Err(error) if error.errno() == libc::EINVAL => Ok(true),
            other => other.map(|_| true),
        }
    }

    /// Makes a link that leads nowhere, up. `alias` says whose it is.
    pub fn create_dummy(&mut self, name: &str, alias: &str) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, UP, UP))
            .string(libc::IFLA_IFNAME, name)
            .nest(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_KIND, "dummy");
            });
        encode_alias(&mut encoder, name, alias);
        self.0
            .request(&encoder, "RTM_NEWLINK", || format!("dummy {name}"))
            .map(drop)
    }

    /// Makes the VLAN `id` (IEEE 802.1Q) of a link, up. `alias` says whose it is.
    pub fn create_vlan(&mut self, name: &str, parent: u32, id: u16, alias: &str) -> Result<()> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, UP, UP))
            .string(libc::IFLA_IFNAME, name)
            .u32(libc::IFLA_LINK, parent)
            .nest(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_KIND, "vlan")
                    .nest(libc::IFLA_INFO_DATA, |data| {
                        data.attribute(IFLA_VLAN_ID, &id.to_ne_bytes());
                    });
            });
        encode_alias(&mut encoder, name, alias);
        self.0
            .request(&encoder, "RTM_NEWLINK", || {
                format!("vlan {name}, parent {parent}")
            })
            .map(drop)
    }
}
