//! Hardware addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The hardware address of an Ethernet interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MacAddr(pub [u8; 6]);

/// The text is no hardware address of one interface.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid MAC address {0:?}: expected one of a single interface, such as 02:42:ac:11:00:02")]
pub struct InvalidMac(pub String);

impl MacAddr {
    /// The address that goes with an IP address: Docker's `02:42`, locally
    /// administered (IEEE 802), and the last four bytes.
    pub fn of(addr: IpAddr) -> Self {
        let [a, b, c, d] = match addr {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(v6) => {
                let low = v6.to_bits() as u32;
                low.to_be_bytes()
            }
        };
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let parse = || {
            let mut bytes = [0; 6];
            let mut parts = text.split([':', '-']);
            for byte in &mut bytes {
                let plain = |part: &&str| part.len() == 2 && !part.starts_with('+');
                let part = parts.next().filter(plain)?;
                *byte = u8::from_str_radix(part, 16).ok()?;
            }
            // The lowest bit of the first byte marks a group's address.
            let single = bytes[0] & 1 == 0 && bytes != [0; 6];
            (parts.next().is_none() && single).then_some(Self(bytes))
        };
        parse().ok_or_else(|| InvalidMac(text.chars().take(40).collect()))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_one_interface_is_read_and_shown_as_docker_shows_it() {
        let mac: MacAddr = "92:D0:C6:0A:29:33".parse().unwrap();
        assert_eq!(mac.to_string(), "92:d0:c6:0a:29:33");
        let of = MacAddr::of("172.17.0.2".parse().unwrap());
        assert_eq!(of.to_string(), "02:42:ac:11:00:02");
    }

    #[test]
    fn groups_and_other_text_are_refused() {
        for bad in [
            "",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "92:d0:c6:0a:29",
            "92:d0:c6:0a:29:33:44",
            "9:d0:c6:0a:29:33",
            "92:d0:c6:0a:29:+3",
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}
