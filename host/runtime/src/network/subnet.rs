//! The choice of a subnet for a network that was given none.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use bulkhead_model::network::Cidr;

use super::context::NetworkContext;
use super::error::NetworkError;

/// The first of Docker's default pools (172.17.0.0/16 to 172.31.0.0/16, then
/// 192.168.0.0/20 to 192.168.240.0/20) that overlaps no address, route or
/// name server of the host and nothing in `used`; as the gateway's address,
/// the first of the subnet, with the prefix.
pub fn pick_subnet(used: &[Cidr], context: &NetworkContext) -> Result<Cidr, NetworkError> {
    let mut taken = used.to_vec();
    taken.extend(on_host(context)?);
    // Host and name server addresses beyond a resolver stub are routed by the
    // default route and would be cut off by a connected subnet around them.
    for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        taken.extend(nameservers(&fs::read_to_string(path).unwrap_or_default()));
    }
    first_free(&taken).ok_or(NetworkError::NoFreeSubnet)
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
        .map(|addr: Ipv4Addr| Cidr {
            addr: addr.into(),
            prefix: 32,
        })
        .collect()
}

fn first_free(taken: &[Cidr]) -> Option<Cidr> {
    let class_b = (17..=31).map(|b| (Ipv4Addr::new(172, b, 0, 1), 16));
    let class_c = (0..16).map(|c| (Ipv4Addr::new(192, 168, c * 16, 1), 20));
    class_b
        .chain(class_c)
        .map(|(gateway, prefix)| Cidr {
            addr: IpAddr::V4(gateway),
            prefix,
        })
        .find(|pool| !taken.iter().any(|t| t.addr.is_ipv4() && t.overlaps(pool)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn the_pools_are_dockers_in_dockers_order() {
        assert_eq!(first_free(&[]), Some(cidr("172.17.0.1/16")));
        assert_eq!(
            first_free(&[cidr("172.17.3.4/24")]),
            Some(cidr("172.18.0.1/16"))
        );
        assert_eq!(
            first_free(&[cidr("172.16.0.0/12"), cidr("192.168.1.5/24")]),
            Some(cidr("192.168.16.1/20"))
        );
        assert_eq!(first_free(&[cidr("0.0.0.0/1"), cidr("128.0.0.0/1")]), None);
        assert_eq!(first_free(&[cidr("::1/128")]), Some(cidr("172.17.0.1/16")));
    }

    #[test]
    fn name_servers_are_read_and_the_rest_is_passed_over() {
        let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 172.17.0.53\nnameserver fe80::1%eth0\nnameserver";
        assert_eq!(nameservers(text), [cidr("172.17.0.53/32")]);
    }
}
