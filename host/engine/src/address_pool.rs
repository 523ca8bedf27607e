//! Addresses of the networks' subnets, leased to endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bulkhead_model::network::{AddressPool, Cidr};

/// In memory: at start it is filled again from the running containers.
#[derive(Debug, Default)]
pub struct Pools(Mutex<BTreeMap<String, Vec<Pool>>>);

/// A subnet and who has what of it. The gateway is never leased, nor the
/// network's own address, nor IPv4's broadcast address.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The gateway's address with the subnet's prefix.
    pub gateway: Cidr,
    /// What is leased to those who want no particular address, when it is not
    /// the whole subnet.
    pub range: Option<Cidr>,
    /// Addresses that somebody else has.
    pub reserved: BTreeSet<IpAddr>,
    leased: BTreeSet<IpAddr>,
}

impl Pool {
    /// The whole of a gateway's subnet.
    pub fn new(gateway: Cidr) -> Self {
        Self {
            gateway,
            range: None,
            reserved: BTreeSet::new(),
            leased: BTreeSet::new(),
        }
    }

    /// The first and the last address of `part` that an endpoint may have.
    fn bounds(&self, part: &Cidr) -> (u128, u128) {
        let (first, last) = ends(&self.gateway);
        let broadcast = u128::from(self.gateway.addr.is_ipv4());
        let (from, to) = ends(part);
        (from.max(first + 1), to.min(last.saturating_sub(broadcast)))
    }

    fn is_free(&self, addr: IpAddr) -> bool {
        addr != self.gateway.addr && !self.reserved.contains(&addr) && !self.leased.contains(&addr)
    }

    fn lowest_free(&self) -> Option<IpAddr> {
        let (first, last) = self.bounds(self.range.as_ref().unwrap_or(&self.gateway));
        let mut all = (first..=last).map(|bits| self.address(bits));
        all.find(|addr| self.is_free(*addr))
    }

    fn lease(&mut self, addr: IpAddr) -> bool {
        let (first, last) = self.bounds(&self.gateway);
        let inside = self.gateway.contains(addr) && (first..=last).contains(&bits(addr));
        inside && self.is_free(addr) && self.leased.insert(addr)
    }

    fn address(&self, bits: u128) -> IpAddr {
        match self.gateway.addr {
            IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
        }
    }
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The first and the last address of a subnet.
fn ends(subnet: &Cidr) -> (u128, u128) {
    let length = if subnet.addr.is_ipv4() { 32 } else { 128 };
    let hosts = length - u32::from(subnet.prefix);
    let first = bits(subnet.network());
    let last = first | u128::MAX.checked_shr(128 - hosts).unwrap_or(0);
    (first, last)
}

impl Pools {
    /// Gives a network one more subnet.
    pub fn add(&self, network: &str, pool: Pool) {
        self.lock()
            .entry(network.to_owned())
            .or_default()
            .push(pool);
    }

    /// Forgets a network's subnets; not while any endpoint has an address of them.
    pub fn remove_unused(&self, network: &str) -> bool {
        let mut networks = self.lock();
        let pools = networks.get(network).map_or(&[][..], Vec::as_slice);
        let unused = pools.iter().all(|pool| pool.leased.is_empty());
        if unused {
            networks.remove(network);
        }
        unused
    }

    /// Whether `addr` may be leased now.
    pub fn is_free(&self, network: &str, addr: IpAddr) -> bool {
        let networks = self.lock();
        let mut pools = networks.get(network).into_iter().flatten();
        pools.any(|pool| pool.gateway.contains(addr) && pool.is_free(addr))
    }

    /// Leases `addr`; whether it was free.
    pub fn lease(&self, network: &str, addr: IpAddr) -> bool {
        let mut networks = self.lock();
        let mut pools = networks.get_mut(network).into_iter().flatten();
        pools.any(|pool| pool.lease(addr))
    }

    /// Whether a subnet has an address for somebody who wants no particular one.
    pub fn has_room(&self, network: &str, gateway: &Cidr) -> bool {
        let networks = self.lock();
        let mut pools = networks.get(network).into_iter().flatten();
        pools.any(|pool| pool.gateway == *gateway && pool.lowest_free().is_some())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Pool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressPool for Pools {
    fn allocate(&self, network: &str, subnet: &Cidr) -> Option<IpAddr> {
        let mut networks = self.lock();
        let mut pools = networks.get_mut(network)?.iter_mut();
        let pool = pools.find(|pool| pool.gateway == *subnet)?;
        let addr = pool.lowest_free()?;
        pool.leased.insert(addr);
        Some(addr)
    }

    fn release(&self, network: &str, addr: IpAddr) {
        for pool in self.lock().get_mut(network).into_iter().flatten() {
            pool.leased.remove(&addr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn with(gateways: &[&str]) -> Pools {
        let pools = Pools::default();
        for gateway in gateways {
            pools.add("n", Pool::new(gateway.parse().unwrap()));
        }
        pools
    }

    fn all_of(pools: &Pools, gateway: &str) -> Vec<String> {
        let gateway = gateway.parse().unwrap();
        let leases = std::iter::from_fn(|| pools.allocate("n", &gateway));
        leases.map(|a| a.to_string()).collect()
    }

    #[test]
    fn the_lowest_free_address_is_leased_and_comes_back() {
        let pools = with(&["10.0.0.1/29", "fd00::1/125"]);
        let leased = all_of(&pools, "10.0.0.1/29");
        let expected = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
        assert_eq!(leased, expected);
        pools.release("n", addr("10.0.0.4"));
        assert_eq!(all_of(&pools, "10.0.0.1/29"), ["10.0.0.4"]);
        // IPv6 has no broadcast address.
        let leased = all_of(&pools, "fd00::1/125");
        assert_eq!((leased.len(), leased[5].as_str()), (6, "fd00::7"));
    }

    #[test]
    fn gateway_taken_and_foreign_addresses_are_not_leased() {
        let pools = with(&["10.0.0.1/24", "fd00::1/64"]);
        for fine in ["10.0.0.9", "fd00::9"] {
            assert!(pools.lease("n", addr(fine)), "{fine}");
        }
        for no in [
            "10.0.0.1",
            "10.0.0.9",
            "10.0.0.0",
            "10.0.0.255",
            "10.0.1.2",
            "fd00::",
            "fd00::1",
            "fd00::9",
            "fd00:0:0:1::2",
        ] {
            assert!(!pools.lease("n", addr(no)), "{no}");
        }
        let other = pools.allocate("other", &"10.0.0.1/24".parse().unwrap());
        assert!(other.is_none());
    }

    #[test]
    fn a_range_bounds_what_is_chosen_here_and_others_addresses_are_left_out() {
        let pools = Pools::default();
        let gateway = "10.0.0.1/24".parse().unwrap();
        let pool = Pool {
            range: "10.0.0.128/30".parse().ok(),
            reserved: [addr("10.0.0.129")].into(),
            ..Pool::new(gateway)
        };
        pools.add("n", pool);
        assert!(pools.has_room("n", &gateway));
        let leased = all_of(&pools, "10.0.0.1/24");
        assert_eq!(leased, ["10.0.0.128", "10.0.0.130", "10.0.0.131"]);
        assert!(!pools.has_room("n", &gateway));
        assert!(pools.lease("n", addr("10.0.0.7")), "outside of the range");
        assert!(!pools.lease("n", addr("10.0.0.129")), "somebody else's");
        assert!(!pools.remove_unused("n"));
    }

    #[test]
    fn the_largest_subnets_are_no_trouble() {
        let pools = with(&["0.0.0.1/0", "::1/0"]);
        assert_eq!(
            pools.allocate("n", &"0.0.0.1/0".parse().unwrap()),
            Some(addr("0.0.0.2"))
        );
        assert_eq!(
            pools.allocate("n", &"::1/0".parse().unwrap()),
            Some(addr("::2"))
        );
    }
}
