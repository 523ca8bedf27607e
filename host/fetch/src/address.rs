//! Which addresses a registry on the public internet may lead us to: public
//! ones. Otherwise a redirect or a token realm could have the daemon talk to
//! services of its own host or network (server-side request forgery).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address is a public one: not loopback, private (RFC 1918, RFC
/// 4193), shared (RFC 6598), link-local (cloud metadata services), multicast
/// or otherwise special (RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocol = a == 192 && b == 0 && c == 0;
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || shared
        || benchmark
        || protocol)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local())
}

/// IPv4 inside IPv6: mapped (::ffff:0:0/96), compatible (::/96), NAT64
/// (64:ff9b::/96) and 6to4 (2002::/16).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, [c, d, e, f]) {
        (0, 0, [0, 0, 0, 0xffff]) | (0x64, 0xff9b, [0, 0, 0, 0]) => v4(g, h),
        (0, 0, [0, 0, 0, 0]) if g != 0 => v4(g, h),
        (0x2002, _, _) => v4(b, c),
        _ => None,
    }
}

/// A resolver that knows public addresses only, and the proxies' own.
#[derive(Debug, Default)]
pub(crate) struct PublicOnly {
    /// Hosts the administrator set as proxies.
    pub(crate) trusted: Vec<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.trusted.iter().any(|host| host == name.as_str());
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let first = found.first().copied();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|a| trusted || is_public(a.ip()))
                .collect();
            if public.is_empty() {
                let private = first.map_or_else(String::new, |a| a.ip().to_string());
                let refused = PrivateName { address: private };
                return Err(
                    Box::new(io::Error::other(refused)) as Box<dyn std::error::Error + Send + Sync>
                );
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A name that leads to private addresses only.
#[derive(Debug, thiserror::Error)]
#[error("it resolves to the private address {address}")]
pub(crate) struct PrivateName {
    pub(crate) address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognised_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
