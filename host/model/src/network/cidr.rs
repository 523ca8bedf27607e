//! Addresses with a prefix length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with its prefix length, such as `172.17.0.1/16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    /// The address; host bits are kept.
    pub addr: IpAddr,
    /// 0 to 32, or to 128.
    pub prefix: u8,
}

/// The text is not an address with a prefix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "invalid CIDR address {0:?}: expected an address and a prefix length, such as 172.17.0.1/16"
)]
pub struct InvalidCidr(pub String);

/// Where subnets come from that no user chose: `base`, cut into subnets of the
/// length `prefix`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DefaultPool {
    /// The whole.
    pub base: Cidr,
    /// A part's prefix length, at least the base's.
    pub prefix: u8,
}

impl DefaultPool {
    /// Docker's pools for IPv4, in Docker's order.
    pub fn dockers() -> Vec<Self> {
        let class_b = (17..=31).map(|b| ([172, b, 0, 0], 16, 16));
        let all = class_b.chain([([192, 168, 0, 0], 16, 20)]);
        let pool = |(base, length, prefix): ([u8; 4], u8, u8)| Self {
            base: Cidr {
                addr: base.into(),
                prefix: length,
            },
            prefix,
        };
        all.map(pool).collect()
    }

    /// The base's subnets, in order, each as the address of its gateway, which
    /// is the first one.
    pub fn gateways(self) -> impl Iterator<Item = Cidr> {
        let Self { base, prefix } = self;
        let length = if base.addr.is_ipv4() { 32 } else { 128 };
        let parts = 1u128
            .checked_shl(prefix.saturating_sub(base.prefix).into())
            .unwrap_or(u128::MAX);
        let first = match base.network() {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        (0..parts).map(move |part| {
            let offset = part.checked_shl(u32::from(length - prefix.min(length)));
            let bits = first.wrapping_add(offset.unwrap_or(0)).wrapping_add(1);
            let addr = match base.addr {
                IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
            };
            Cidr { addr, prefix }
        })
    }
}

/// A version of the internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// An address' family.
    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address that stands for all: `0.0.0.0` or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

impl Cidr {
    /// The address' family.
    pub fn family(&self) -> Family {
        Family::of(self.addr)
    }

    /// The destination of a family's default route.
    pub fn any(family: Family) -> Self {
        Self {
            addr: family.unspecified(),
            prefix: 0,
        }
    }

    /// The same with its host bits cleared.
    pub fn subnet(&self) -> Self {
        Self {
            addr: self.network(),
            prefix: self.prefix,
        }
    }

    /// The address with its host bits cleared.
    pub fn network(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(a) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(a) & mask))
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V6((u128::from(a) & mask).into())
            }
        }
    }

    /// Whether `other` lies in this network.
    pub fn contains(&self, other: IpAddr) -> bool {
        let at = |addr| Cidr {
            addr,
            prefix: self.prefix,
        };
        // A prefix length means nothing in the other family.
        Family::of(other) == self.family() && at(other).network() == self.network()
    }

    /// Whether the two networks share an address.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let parse = || {
            let (addr, prefix) = text.split_once('/')?;
            let addr: IpAddr = addr.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if addr.is_ipv4() { 32 } else { 128 }).then_some(Cidr { addr, prefix })
        };
        parse().ok_or_else(|| InvalidCidr(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}
