//! The traffic of a container's interfaces, without entering its namespace.

use bulkhead_model::process::{InterfaceStats, Traffic};
use bulkhead_sys::path::{OFlag, open_host};

/// Reads the counters of the network namespace that a process is in. The
/// caller holds a descriptor that keeps the pid from being another's.
pub(crate) fn read(pid: u32) -> Vec<InterfaceStats> {
    let file = open_host(format!("/proc/{pid}/net/dev"), OFlag::O_RDONLY, 0);
    let mut buffer = Vec::with_capacity(2048);
    let text = file
        .ok()
        .and_then(|file| crate::cgroup::fill(&mut buffer, &file));
    text.unwrap_or_default().lines().filter_map(parse).collect()
}

/// `proc_pid_net(5)`: the name, eight counters received, eight sent.
fn parse(line: &str) -> Option<InterfaceStats> {
    let (name, counters) = line.split_once(':')?;
    let mut numbers = [0; 16];
    let mut words = counters.split_ascii_whitespace();
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    let traffic = |of: &[u64]| Traffic {
        bytes: of[0],
        packets: of[1],
        errors: of[2],
        dropped: of[3],
    };
    Some(InterfaceStats {
        name: name.trim().to_owned(),
        received: traffic(&numbers[..8]),
        sent: traffic(&numbers[8..]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_interfaces_are_read_and_headings_are_not() {
        assert_eq!(parse(" face |bytes    packets errs drop"), None);
        assert_eq!(parse("Inter-|   Receive    |  Transmit"), None);
        let line = "  eth0: 806 9 1 2 0 0 0 0 126 3 4 5 0 0 0 0";
        let read = parse(line).unwrap();
        assert_eq!((read.name.as_str(), read.received.bytes), ("eth0", 806));
        assert_eq!(
            (read.received.dropped, read.sent.bytes, read.sent.errors),
            (2, 126, 4)
        );
    }

    #[test]
    fn our_own_namespace_has_a_loopback() {
        assert!(read(std::process::id()).iter().any(|i| i.name == "lo"));
    }
}
