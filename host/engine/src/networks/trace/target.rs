//! What a packet is for.

use std::str::FromStr;

/// An address or a name, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) udp: bool,
}

/// The text is no target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid target {0:?}: expected a name or an address, perhaps with :PORT and /udp")]
pub struct InvalidTarget(String);

impl Target {
    pub(super) fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let parse = || {
            let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let udp = match protocol {
                "tcp" => false,
                "udp" => true,
                _ => return None,
            };
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                    (host, Some(port.parse().ok()?))
                }
                _ => (rest, None),
            };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (!host.is_empty() && host.len() < 256).then(|| Self {
                host: host.to_owned(),
                port,
                udp,
            })
        };
        parse().ok_or_else(|| InvalidTarget(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_perhaps_a_port() {
        for (text, host, port, udp) in [
            ("web", "web", None, false),
            ("web:80", "web", Some(80), false),
            ("10.0.0.1:53/udp", "10.0.0.1", Some(53), true),
            ("[fd00::1]:80", "fd00::1", Some(80), false),
            ("fd00::1", "fd00::1", None, false),
        ] {
            let expected = Target {
                host: host.to_owned(),
                port,
                udp,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for bad in ["", ":80", "web:", "web:99999", "web/icmp"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
