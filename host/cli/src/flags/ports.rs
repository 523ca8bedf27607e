//! `-p [[ip:][host port]:]container port[/protocol]`, ports may be ranges.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bulkhead_api::container::EmptyObject;
use bulkhead_api::network::{PortBinding, PortMap};

use super::{InvalidValue, invalid};

/// One `-p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortMapping {
    ip: String,
    host: Option<RangeInclusive<u16>>,
    container: RangeInclusive<u16>,
    protocol: String,
}

impl FromStr for PortMapping {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (rest, container) = match text.rsplit_once(':') {
            Some((rest, container)) => (Some(rest), container),
            None => (None, text),
        };
        let (container, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(invalid(format!("invalid proto: {protocol}")));
        }
        let container = range(container)
            .filter(|ports| *ports.start() > 0)
            .ok_or_else(|| invalid(format!("invalid containerPort: {container}")))?;
        let (ip, host) = host_part(rest.unwrap_or_default())?;
        let mapping = Self {
            ip,
            host,
            container,
            protocol,
        };
        mapping.check_lengths(text)?;
        Ok(mapping)
    }
}

impl PortMapping {
    /// A range must match in length, but for many host ports from which one is chosen.
    fn check_lengths(&self, text: &str) -> Result<(), InvalidValue> {
        let Some(host) = &self.host else {
            return Ok(());
        };
        match self.container.len() == host.len() || self.container.len() == 1 {
            true => Ok(()),
            false => Err(invalid(format!(
                "invalid ranges specified for container and host Ports: {text}"
            ))),
        }
    }

    fn bindings(&self) -> impl Iterator<Item = (String, PortBinding)> {
        let host = move |index: u16| match &self.host {
            None => String::new(),
            Some(host) if self.container.len() == 1 && host.len() > 1 => {
                format!("{}-{}", host.start(), host.end())
            }
            Some(host) => (host.start() + index).to_string(),
        };
        self.container
            .clone()
            .zip(0u16..)
            .map(move |(port, index)| {
                let binding = PortBinding {
                    host_ip: self.ip.clone(),
                    host_port: host(index),
                };
                (format!("{port}/{}", self.protocol), binding)
            })
    }
}

/// The exposed ports and bindings of all `-p` and `--expose`.
pub(crate) fn publish(
    mappings: &[PortMapping],
    exposed: &[PortMapping],
) -> (BTreeMap<String, EmptyObject>, PortMap) {
    let mut ports = PortMap::new();
    for (port, binding) in mappings.iter().flat_map(PortMapping::bindings) {
        ports
            .entry(port)
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    let only_exposed = exposed
        .iter()
        .flat_map(PortMapping::bindings)
        .map(|(port, _)| port);
    let names = ports.keys().cloned().chain(only_exposed);
    (names.map(|port| (port, EmptyObject {})).collect(), ports)
}

fn host_part(text: &str) -> Result<(String, Option<RangeInclusive<u16>>), InvalidValue> {
    let (ip, port) = match text.rsplit_once(':') {
        Some((ip, port)) => (ip, port),
        // `ip::port` leaves `ip:`; a lone word is a port.
        None => ("", text),
    };
    let bare = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(invalid(format!("invalid IP address: {ip}")));
    }
    let host = match port {
        "" => None,
        port => Some(range(port).ok_or_else(|| invalid(format!("invalid hostPort: {port}")))?),
    };
    Ok((bare.to_owned(), host))
}

/// `80` or `80-82`. Port 0 of the host lets the daemon choose, as with Docker.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings(text: &str) -> Vec<(String, String, String)> {
        let mapping: PortMapping = text.parse().unwrap();
        mapping
            .bindings()
            .map(|(port, binding)| (port, binding.host_ip, binding.host_port))
            .collect()
    }

    fn one(port: &str, ip: &str, host: &str) -> (String, String, String) {
        (port.into(), ip.into(), host.into())
    }

    #[test]
    fn every_form_of_a_published_port_is_understood() {
        assert_eq!(bindings("80"), [one("80/tcp", "", "")]);
        assert_eq!(bindings("8080:80/UDP"), [one("80/udp", "", "8080")]);
        assert_eq!(
            bindings("127.0.0.1:8080:80"),
            [one("80/tcp", "127.0.0.1", "8080")]
        );
        assert_eq!(bindings("127.0.0.1::80"), [one("80/tcp", "127.0.0.1", "")]);
        assert_eq!(bindings("[::1]:8080:80"), [one("80/tcp", "::1", "8080")]);
        assert_eq!(
            bindings("8000-8001:80-81"),
            [one("80/tcp", "", "8000"), one("81/tcp", "", "8001")]
        );
        assert_eq!(bindings("0:80"), [one("80/tcp", "", "0")]);
        assert_eq!(bindings("8000-8010:80"), [one("80/tcp", "", "8000-8010")]);
    }

    #[test]
    fn bad_ports_are_refused_in_dockers_words() {
        let told = |text: &str| text.parse::<PortMapping>().unwrap_err().to_string();
        assert_eq!(told("abc"), "invalid containerPort: abc");
        assert_eq!(told("x:80"), "invalid hostPort: x");
        assert_eq!(told("80/xyz"), "invalid proto: xyz");
        assert_eq!(told("1.2.3:80:80"), "invalid IP address: 1.2.3");
        assert_eq!(
            told("1-3:80-81"),
            "invalid ranges specified for container and host Ports: 1-3:80-81"
        );
        for bad in ["0", "65536", "", "5-4", "-1"] {
            assert!(bad.parse::<PortMapping>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_port_may_be_published_twice() {
        let mappings = ["1:80".parse().unwrap(), "2:80".parse().unwrap()];
        let (exposed, ports) = publish(&mappings, &["90/udp".parse().unwrap()]);
        assert_eq!(exposed.keys().collect::<Vec<_>>(), ["80/tcp", "90/udp"]);
        assert_eq!(ports["80/tcp"].as_ref().unwrap().len(), 2);
        assert!(!ports.contains_key("90/udp"));
    }
}
