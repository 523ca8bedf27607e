//! Addresses of the networks' subnets, leased to endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use bulkhead_model::network::{AddressPool, Cidr};

/// In memory: at start it is filled again from the running containers.
#[derive(Debug, Default)]
pub struct Pools(Mutex<BTreeMap<String, Pool>>);

#[derive(Debug)]
struct Pool {
    gateway: Cidr,
    /// What is leased to those who want no particular address.
    range: Option<Cidr>,
    leased: BTreeSet<Ipv4Addr>,
}

impl Pools {
    /// Makes a network's pool out of its gateway's subnet. The gateway, the
    /// network and the broadcast address are never leased.
    pub fn add(&self, network: &str, gateway: Cidr) {
        self.add_with_range(network, gateway, None);
    }

    /// Like [`Pools::add`]; who wants no particular address gets one of
    /// `range`, which lies in the subnet.
    pub fn add_with_range(&self, network: &str, gateway: Cidr, range: Option<Cidr>) {
        let pool = Pool {
            gateway,
            range,
            leased: BTreeSet::new(),
        };
        self.0
            .lock()
            .expect("pool lock")
            .insert(network.to_owned(), pool);
    }

    /// Forgets a network's pool; not while any endpoint has an address of it.
    pub fn remove_unused(&self, network: &str) -> bool {
        let mut pools = self.0.lock().expect("pool lock");
        let unused = pools.get(network).is_none_or(|pool| pool.leased.is_empty());
        if unused {
            pools.remove(network);
        }
        unused
    }

    /// Whether an endpoint has `addr`.
    pub fn is_leased(&self, network: &str, addr: IpAddr) -> bool {
        let pools = self.0.lock().expect("pool lock");
        let leased = pools.get(network).map(|pool| &pool.leased);
        leased.is_some_and(|l| matches!(addr, IpAddr::V4(addr) if l.contains(&addr)))
    }
}

impl Pool {
    fn range(&self) -> Option<(u32, u32, u32)> {
        let (IpAddr::V4(network), IpAddr::V4(gateway)) =
            (self.gateway.network(), self.gateway.addr)
        else {
            return None;
        };
        let size = 1u64 << (32 - u32::from(self.gateway.prefix));
        let first = u32::from(network);
        (size >= 4).then(|| (first + 1, first + (size - 2) as u32, u32::from(gateway)))
    }

    fn allocate(&mut self, want: Option<IpAddr>) -> Option<IpAddr> {
        let (first, last, gateway) = self.range()?;
        let free = |n: u32, leased: &BTreeSet<Ipv4Addr>| {
            n != gateway && !leased.contains(&Ipv4Addr::from(n))
        };
        let chosen = match want {
            Some(IpAddr::V4(addr)) => Some(u32::from(addr))
                .filter(|n| (first..=last).contains(n) && free(*n, &self.leased)),
            Some(IpAddr::V6(_)) => None,
            None => (first..=last)
                .filter(|n| {
                    let addr = IpAddr::V4(Ipv4Addr::from(*n));
                    self.range.is_none_or(|range| range.contains(addr))
                })
                .find(|n| free(*n, &self.leased)),
        }?;
        self.leased.insert(chosen.into());
        Some(IpAddr::V4(chosen.into()))
    }
}

impl AddressPool for Pools {
    fn allocate(&self, network: &str, want: Option<IpAddr>) -> Option<IpAddr> {
        self.0
            .lock()
            .expect("pool lock")
            .get_mut(network)?
            .allocate(want)
    }

    fn release(&self, network: &str, addr: IpAddr) {
        if let (IpAddr::V4(addr), Some(pool)) =
            (addr, self.0.lock().expect("pool lock").get_mut(network))
        {
            pool.leased.remove(&addr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_address_is_leased_and_comes_back() {
        let pools = Pools::default();
        pools.add("n", "10.0.0.1/29".parse().unwrap());
        let leased: Vec<_> = std::iter::from_fn(|| pools.allocate("n", None))
            .map(|a| a.to_string())
            .collect();
        assert_eq!(
            leased,
            ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
        );
        pools.release("n", "10.0.0.4".parse().unwrap());
        assert_eq!(pools.allocate("n", None).unwrap().to_string(), "10.0.0.4");
    }

    #[test]
    fn gateway_taken_and_foreign_addresses_are_not_leased() {
        let pools = Pools::default();
        pools.add("n", "10.0.0.1/24".parse().unwrap());
        let want = |a: &str| pools.allocate("n", Some(a.parse().unwrap()));
        assert!(want("10.0.0.9").is_some());
        for no in [
            "10.0.0.1",
            "10.0.0.9",
            "10.0.0.0",
            "10.0.0.255",
            "10.0.1.2",
            "::1",
        ] {
            assert!(want(no).is_none(), "{no}");
        }
        assert!(pools.allocate("other", None).is_none());
    }
}
