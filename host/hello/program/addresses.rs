//! Addresses without netlink: the kernel's routing tables as text, read the
//! way `ip` would be.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::read;

/// One line per address: `eth0 172.17.0.2/16`.
pub(crate) fn all() -> Vec<String> {
    let mut lines = v4(&read("/proc/net/fib_trie"), &read("/proc/net/route"));
    lines.extend(v6(&read("/proc/net/if_inet6")));
    for interface in interfaces(&read("/proc/net/dev")) {
        if !lines
            .iter()
            .any(|line| line.split(' ').next() == Some(interface))
        {
            lines.push(format!("{interface} without an address"));
        }
    }
    if lines.is_empty() {
        vec!["none".to_owned()]
    } else {
        lines
    }
}

/// Leaves of the local table that are `/32 host LOCAL`; the interface and the
/// prefix come from the most specific route to the address's own network.
fn v4(fib_trie: &str, route: &str) -> Vec<String> {
    let mut found: Vec<Ipv4Addr> = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        match line.strip_prefix("|-- ") {
            Some(address) => leaf = address.parse::<Ipv4Addr>().ok(),
            None if line == "/32 host LOCAL" => found.extend(leaf.take()),
            None => {}
        }
    }
    found.sort();
    found.dedup();
    found
        .into_iter()
        .map(|address| described(address, route))
        .collect()
}

fn described(address: Ipv4Addr, route: &str) -> String {
    let network = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Eight hex digits in the machine's byte order, which is network order in memory.
        let word = |at: usize| {
            Some(u32::from_be_bytes(
                u32::from_str_radix(fields.get(at)?, 16).ok()?.to_ne_bytes(),
            ))
        };
        let (destination, gateway, mask) = (word(1)?, word(2)?, word(7)?);
        let own = mask != 0 && gateway == 0 && address.to_bits() & mask == destination;
        own.then(|| (mask.count_ones(), fields[0].to_owned()))
    };
    match route.lines().filter_map(network).max() {
        Some((prefix, interface)) => format!("{interface} {address}/{prefix}"),
        None if address.is_loopback() => format!("lo {address}/8"),
        None => format!("? {address}/32"),
    }
}

/// 32 hex digits, index, prefix length, scope, flags, name (proc_net(5)).
fn v6(if_inet6: &str) -> Vec<String> {
    let describe = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv6Addr::from_bits(u128::from_str_radix(fields.first()?, 16).ok()?);
        let prefix = u8::from_str_radix(fields.get(2)?, 16).ok()?;
        Some(format!("{} {address}/{prefix}", fields.get(5)?))
    };
    if_inet6.lines().filter_map(describe).collect()
}

fn interfaces(dev: &str) -> Vec<&str> {
    dev.lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
        Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.0\n        /16 link UNICAST\n\
        |-- 172.17.0.2\n           /32 host LOCAL\n     |-- 172.17.255.255\n        /32 link BROADCAST\n\
        Again:\n     |-- 172.17.0.2\n        /32 host LOCAL\n";
    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn an_address_is_told_with_its_interface_and_prefix() {
        assert_eq!(
            v4(FIB_TRIE, ROUTE),
            ["lo 127.0.0.1/8", "eth0 172.17.0.2/16"]
        );
    }

    #[test]
    fn an_address_without_a_route_is_told_all_the_same() {
        assert_eq!(v4(FIB_TRIE, "")[1], "? 172.17.0.2/32");
    }

    #[test]
    fn version_6_addresses_are_read() {
        let if_inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n\
            fe800000000000000042acfffe110002 05 40 20 80     eth0\nnonsense\n";
        assert_eq!(v6(if_inet6), ["lo ::1/128", "eth0 fe80::42:acff:fe11:2/64"]);
    }

    #[test]
    fn interfaces_are_listed() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n    lo:       0 0\n  eth0: 1 2\n";
        assert_eq!(interfaces(dev), ["lo", "eth0"]);
    }
}
