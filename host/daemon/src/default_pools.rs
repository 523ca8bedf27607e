//! Where networks get subnets that no user chose.

use std::net::Ipv6Addr;

use bulkhead_model::network::{Cidr, DefaultPool};

/// Docker's pools for IPv4, and a prefix of unique local addresses of this
/// daemon's own for IPv6. `id` is the daemon's, a random UUID (RFC 9562).
pub fn of_daemon(id: &str) -> Vec<DefaultPool> {
    let mut pools = DefaultPool::dockers();
    pools.push(DefaultPool {
        base: Cidr {
            addr: unique_local(id).into(),
            prefix: 48,
        },
        prefix: 64,
    });
    pools
}

/// fd00::/8 and forty random bits (RFC 4193 section 3.2).
fn unique_local(id: &str) -> Ipv6Addr {
    let digits = id.chars().filter_map(|c| c.to_digit(16));
    let global = digits
        .take(10)
        .fold(0u128, |n, digit| n << 4 | u128::from(digit));
    Ipv6Addr::from_bits(0xfd << 120 | global << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_own_prefix_follows_from_its_id() {
        let pools = of_daemon("1a2b3c4d-5e6f-4000-8000-000000000000");
        let last = pools.last().unwrap();
        assert_eq!(last.base.to_string(), "fd1a:2b3c:4d5e::/48");
        let first = last.gateways().next().unwrap();
        assert_eq!(first.to_string(), "fd1a:2b3c:4d5e::1/64");
        assert_eq!(last.gateways().count(), 1 << 16);
    }

    #[test]
    fn another_text_is_no_trouble() {
        assert_eq!(unique_local("").to_string(), "fd00::");
    }
}
