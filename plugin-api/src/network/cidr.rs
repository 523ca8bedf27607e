//! Addresses with a prefix length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::Error;

/// An address with its prefix length, such as 172.17.0.1/16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address; host bits are kept.
    pub address: IpAddr,
    /// 0 to 32, or to 128.
    pub prefix: u8,
}

impl Cidr {
    /// 0.0.0.0/0, the destination of a default route.
    pub const ANY_V4: Self = Self {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix: 0,
    };
    /// ::/0
    pub const ANY_V6: Self = Self {
        address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        prefix: 0,
    };

    /// The subnet: the same prefix, host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let host_bits = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & !host_bits).into()
            }
            IpAddr::V6(v6) => {
                let host_bits = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & !host_bits).into()
            }
        };
        Self {
            address,
            prefix: self.prefix,
        }
    }

    /// The default route's destination in this address's family.
    #[must_use]
    pub fn any(self) -> Self {
        if self.address.is_ipv4() {
            Self::ANY_V4
        } else {
            Self::ANY_V6
        }
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, prefix })
        };
        parse().ok_or_else(|| {
            Error::invalid(format!("{text:?} is not an address with a prefix length"))
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_clears_host_bits_at_every_prefix_length() {
        for (address, network) in [
            ("172.17.0.5/16", "172.17.0.0/16"),
            ("10.1.2.3/32", "10.1.2.3/32"),
            ("10.1.2.3/0", "0.0.0.0/0"),
            ("10.1.2.3/31", "10.1.2.2/31"),
            ("fd00::5/64", "fd00::/64"),
            ("fd00::5/128", "fd00::5/128"),
            ("fd00::5/0", "::/0"),
        ] {
            assert_eq!(
                address.parse::<Cidr>().unwrap().network().to_string(),
                network
            );
        }
    }

    #[test]
    fn text_that_is_no_address_with_a_prefix_is_refused() {
        for bad in [
            "",
            "10.0.0.1",
            "10.0.0.1/33",
            "fd00::/129",
            "10.0.0.1/-1",
            "x/8",
            "10.0.0.1/8/8",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad:?}");
        }
    }
}
