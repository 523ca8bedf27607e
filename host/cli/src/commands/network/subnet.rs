//! Subnets in CIDR notation (RFC 4632, RFC 4291).

use std::net::IpAddr;
use std::str::FromStr;

use bulkhead_api::network::IpamConfig;

/// An address and how many of its bits name the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    address: IpAddr,
    prefix: u32,
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid CIDR address: {text}");
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let prefix: u32 = prefix.parse().map_err(|_| invalid())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        match prefix <= bits {
            true => Ok(Self { address, prefix }),
            false => Err(invalid()),
        }
    }
}

impl Subnet {
    /// Whether one of the two contains the other.
    pub(super) fn overlaps(&self, other: &Subnet) -> bool {
        let prefix = self.prefix.min(other.prefix);
        starts_alike(self.address, other.address, prefix)
    }

    fn contains(&self, address: IpAddr) -> bool {
        starts_alike(self.address, address, self.prefix)
    }
}

fn starts_alike(left: IpAddr, right: IpAddr, bits: u32) -> bool {
    let differing = match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => u128::from(left.to_bits() ^ right.to_bits()) << 96,
        (IpAddr::V6(left), IpAddr::V6(right)) => left.to_bits() ^ right.to_bits(),
        _ => return false,
    };
    differing.leading_zeros() >= bits
}

/// The subnet in which an address or a range lies.
pub(super) fn contains<'a>(
    pools: &'a mut [(Subnet, IpamConfig)],
    text: &str,
) -> Result<&'a mut IpamConfig, String> {
    let address = text.split('/').next().unwrap_or(text);
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("invalid IP address: {text}"))?;
    let pool = pools
        .iter_mut()
        .find(|(subnet, _)| subnet.contains(address));
    match pool {
        Some((_, pool)) => Ok(pool),
        None => Err(format!("no matching subnet for {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_overlap_if_one_lies_in_the_other() {
        let overlap = |a: &str, b: &str| {
            let (a, b): (Subnet, Subnet) = (a.parse().unwrap(), b.parse().unwrap());
            a.overlaps(&b)
        };
        assert!(overlap("10.1.0.0/16", "10.1.2.0/24"));
        assert!(!overlap("10.1.0.0/16", "10.2.0.0/16"));
        assert!(overlap("0.0.0.0/0", "10.2.0.0/16"));
        assert!(!overlap("0.0.0.0/0", "2001:db8::/64"));
        assert!(overlap("2001:db8::/32", "2001:db8:1::/64"));
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", ""] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }
}
