//! The kernel's tables of a process's network namespace (proc_pid_net(5)).

use std::fs;
use std::net::Ipv4Addr;

/// A route that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface: String,
    pub(super) gateway: Option<Ipv4Addr>,
}

/// Whether anybody would take a packet for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listens {
    Yes,
    OnLoopback,
    No,
}

fn table(pid: u32, name: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default()
}

/// The way to `address`, its own loopback included.
pub(super) fn route(pid: u32, address: Ipv4Addr) -> Option<Route> {
    if address.is_loopback() {
        return Some(Route {
            interface: "lo".to_owned(),
            gateway: None,
        });
    }
    best_route(&table(pid, "route"), address)
}

/// Of those that lead to `address` the narrowest. Numbers are hexadecimal, in
/// the byte order of the machine.
fn best_route(table: &str, address: Ipv4Addr) -> Option<Route> {
    let address = u32::from_ne_bytes(address.octets());
    let leads = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let (dest, gateway, mask) = (number(1)?, number(2)?, number(7)?);
        (address & mask == dest).then(|| {
            let gateway = Some(gateway).filter(|g| *g != 0);
            let route = Route {
                interface: words[0].to_owned(),
                gateway: gateway.map(|g| Ipv4Addr::from(g.to_ne_bytes())),
            };
            (mask.count_ones(), route)
        })
    };
    let found = table.lines().skip(1).filter_map(leads);
    found.max_by_key(|(bits, _)| *bits).map(|(_, route)| route)
}

/// The hardware address of `next`; `Some(None)` when it did not answer,
/// `None` when nobody asked.
pub(super) fn neighbour(pid: u32, next: Ipv4Addr) -> Option<Option<String>> {
    arp(&table(pid, "arp"), next)
}

fn arp(table: &str, next: Ipv4Addr) -> Option<Option<String>> {
    const ATF_COM: u32 = 0x02;
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(words.get(2)?.trim_start_matches("0x"), 16).ok()?;
        let own = words[0].parse() == Ok(next);
        own.then(|| (flags & ATF_COM != 0).then(|| words.get(3).map(|mac| (*mac).to_owned())))
    };
    let found = table.lines().skip(1).find_map(line)?;
    Some(found.flatten())
}

/// Whether a process listens at `address`, `port` of its namespace.
pub(super) fn listens(pid: u32, protocol: &str, address: Ipv4Addr, port: u16) -> Listens {
    let v4 = table(pid, protocol);
    let v6 = table(pid, &format!("{protocol}6"));
    let found = sockets(&v4, protocol, port).chain(sockets(&v6, protocol, port));
    found.fold(Listens::No, |so_far, own| match own {
        Some(own) if own.is_loopback() && !address.is_loopback() && so_far == Listens::No => {
            Listens::OnLoopback
        }
        Some(own) if own != address && !own.is_unspecified() => so_far,
        _ => Listens::Yes,
    })
}

/// The addresses at which sockets wait on `port`; `None` is every address,
/// IPv6's included, or one of IPv6.
fn sockets(table: &str, protocol: &str, port: u16) -> impl Iterator<Item = Option<Ipv4Addr>> {
    let waits = if protocol == "udp" { "07" } else { "0A" };
    table.lines().skip(1).filter_map(move |line| {
        let mut words = line.split_whitespace().skip(1);
        let (own, _, state) = (words.next()?, words.next()?, words.next()?);
        let (address, own_port) = own.rsplit_once(':')?;
        let ours = u16::from_str_radix(own_port, 16) == Ok(port) && state == waits;
        ours.then(|| match address.len() {
            8 => u32::from_str_radix(address, 16)
                .ok()
                .map(|number| Ipv4Addr::from(number.to_ne_bytes())),
            _ if address.ends_with("01000000")
                && address.starts_with("000000000000000000000000") =>
            {
                Some(Ipv4Addr::LOCALHOST)
            }
            _ => None,
        })
    })
}

/// Whether the host forwards packets.
pub(super) fn forwards() -> bool {
    fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1")
}

/// Whether an interface of the host is there and up.
pub(super) fn interface_is_up(name: &str) -> bool {
    let table = table(std::process::id(), "route");
    let routed = table
        .lines()
        .any(|line| line.split_whitespace().next() == Some(name));
    routed || table.is_empty()
}

/// Whether `address` is one of the host's.
pub(super) fn is_local(address: Ipv4Addr) -> bool {
    local(&table(std::process::id(), "fib_trie"), address)
}

/// In the trie, the line after an address tells what it is.
fn local(trie: &str, address: Ipv4Addr) -> bool {
    let lines: Vec<_> = trie.lines().map(str::trim).collect();
    let leaf = format!("|-- {address}");
    let mut pairs = lines.windows(2);
    pairs.any(|pair| pair[0] == leaf && pair[1].starts_with("/32 host LOCAL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";

    #[test]
    fn the_narrowest_route_is_taken() {
        if cfg!(target_endian = "big") {
            return;
        }
        let near = best_route(ROUTES, [172, 17, 0, 9].into()).unwrap();
        assert_eq!((near.interface.as_str(), near.gateway), ("eth0", None));
        let far = best_route(ROUTES, [1, 1, 1, 1].into()).unwrap();
        assert_eq!(far.gateway, Some([172, 17, 0, 1].into()));
        let (first, _) = ROUTES.split_once("eth0").unwrap();
        assert_eq!(best_route(first, [1, 1, 1, 1].into()), None);
    }

    #[test]
    fn a_neighbour_answers_does_not_or_was_not_asked() {
        let table = "IP address HW type Flags HW address Mask Device
10.0.0.1 0x1 0x2 02:42:0a:00:00:01 * eth0
10.0.0.9 0x1 0x0 00:00:00:00:00:00 * eth0
";
        let mac = Some(Some("02:42:0a:00:00:01".to_owned()));
        assert_eq!(arp(table, [10, 0, 0, 1].into()), mac);
        assert_eq!(arp(table, [10, 0, 0, 9].into()), Some(None));
        assert_eq!(arp(table, [10, 0, 0, 8].into()), None);
    }

    #[test]
    fn an_address_of_the_host_is_told_from_others() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.0\n        /24 link UNICAST\n";
        assert!(local(trie, [10, 0, 0, 1].into()));
        assert!(!local(trie, [10, 0, 0, 0].into()));
    }
}
