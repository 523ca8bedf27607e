//! The choice of a subnet for a network that was given none.

use std::fs;
use std::net::IpAddr;

use bulkhead_model::network::{Cidr, DefaultPool};

use super::context::NetworkContext;
use super::error::NetworkError;

/// The first subnet of `pools` that overlaps no address, route or name server
/// of the host and nothing in `used`; as the gateway's address, the first of
/// the subnet, with the prefix.
pub fn pick_subnet(
    used: &[Cidr],
    pools: &[DefaultPool],
    context: &NetworkContext,
) -> Result<Cidr, NetworkError> {
    let mut taken = used.to_vec();
    taken.extend(on_host(context)?);
    // Host and name server addresses beyond a resolver stub are routed by the
    // default route and would be cut off by a connected subnet around them.
    for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        taken.extend(nameservers(&fs::read_to_string(path).unwrap_or_default()));
    }
    first_free(&taken, pools).ok_or(NetworkError::NoFreeSubnet)
}

fn on_host(context: &NetworkContext) -> Result<Vec<Cidr>, NetworkError> {
    let mut route = context.route();
    let addresses = route.addresses().map_err(NetworkError::Inspect)?;
    let routes = route.routes().map_err(NetworkError::Inspect)?;
    let addresses = addresses.iter().map(|a| (a.addr, a.prefix));
    // The default route overlaps everything.
    let routes = routes
        .iter()
        .filter(|r| r.prefix != 0)
        .map(|r| (r.dest, r.prefix));
    let cidrs = addresses.chain(routes);
    Ok(cidrs.map(|(addr, prefix)| Cidr { addr, prefix }).collect())
}

fn nameservers(resolv_conf: &str) -> Vec<Cidr> {
    resolv_conf
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next())?
        })
        .filter_map(|word| word.parse().ok())
        .map(|addr: IpAddr| Cidr {
            addr,
            prefix: if addr.is_ipv4() { 32 } else { 128 },
        })
        .collect()
}

fn first_free(taken: &[Cidr], pools: &[DefaultPool]) -> Option<Cidr> {
    let mut all = pools.iter().flat_map(|pool| pool.gateways());
    all.find(|gateway| !taken.iter().any(|t| t.overlaps(gateway)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn pools(pools: &[(&str, u8)]) -> Vec<DefaultPool> {
        let pool = |(base, prefix): &(&str, u8)| DefaultPool {
            base: cidr(base),
            prefix: *prefix,
        };
        pools.iter().map(pool).collect()
    }

    #[test]
    fn the_first_part_that_nothing_else_overlaps_is_taken() {
        let v4 = pools(&[("172.17.0.0/16", 16), ("192.168.0.0/16", 20)]);
        let free = |taken: &[&str]| {
            let taken: Vec<_> = taken.iter().map(|t| cidr(t)).collect();
            first_free(&taken, &v4).map(|c| c.to_string())
        };
        assert_eq!(free(&[]).as_deref(), Some("172.17.0.1/16"));
        assert_eq!(free(&["172.17.3.4/24"]).as_deref(), Some("192.168.0.1/20"));
        let both = ["172.16.0.0/12", "192.168.1.5/24"];
        assert_eq!(free(&both).as_deref(), Some("192.168.16.1/20"));
        assert_eq!(free(&["0.0.0.0/1", "128.0.0.0/1"]), None);
        assert_eq!(free(&["::/0"]).as_deref(), Some("172.17.0.1/16"));
    }

    #[test]
    fn parts_of_ipv6_are_found_as_well() {
        let ula = pools(&[("fd12:3456:789a::/48", 64)]);
        let free = |taken: &str| first_free(&[cidr(taken)], &ula).map(|c| c.to_string());
        assert_eq!(free("10.0.0.1/8").as_deref(), Some("fd12:3456:789a::1/64"));
        assert_eq!(
            free("fd12:3456:789a::1/63").as_deref(),
            Some("fd12:3456:789a:2::1/64")
        );
    }

    #[test]
    fn name_servers_are_read_and_the_rest_is_passed_over() {
        let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 172.17.0.53\nnameserver fe80::1%eth0\nnameserver";
        assert_eq!(nameservers(text), [cidr("172.17.0.53/32")]);
    }
}
