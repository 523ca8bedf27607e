//! Published ports.

use bulkhead_api::network::PortMap;
use bulkhead_engine::spec::PortSpec;

use super::bad_request::BadRequest;

pub(super) fn ports(map: &PortMap) -> Result<Vec<PortSpec>, BadRequest> {
    let mut ports = Vec::new();
    for (key, bindings) in map {
        let bad = || BadRequest::Port(key.clone());
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let container_port = port.parse().ok().filter(|p| *p > 0).ok_or_else(bad)?;
        if !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err(BadRequest::Port(key.clone()));
        }
        for binding in bindings.as_deref().unwrap_or_default() {
            let (host_port, last_host_port) = host_ports(&binding.host_port)?;
            let host_addr = match binding.host_ip.as_str() {
                "" => None,
                ip => Some(
                    ip.parse()
                        .map_err(|_| BadRequest::HostAddress(ip.to_owned()))?,
                ),
            };
            ports.push(PortSpec {
                protocol: protocol.to_owned(),
                container_port,
                host_addr,
                host_port,
                last_host_port,
            });
        }
    }
    Ok(ports)
}

/// A port, none (0), or a range of which one is to be chosen.
fn host_ports(text: &str) -> Result<(u16, Option<u16>), BadRequest> {
    let bad = || BadRequest::Port(text.to_owned());
    let number = |text: &str| text.parse().map_err(|_| bad());
    match text.split_once('-') {
        _ if text.is_empty() => Ok((0, None)),
        None => Ok((number(text)?, None)),
        Some((first, last)) => match (number(first)?, number(last)?) {
            (first, last) if first == last => Ok((first, None)),
            (first, last) if 0 < first && first < last => Ok((first, Some(last))),
            _ => Err(bad()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports_may_be_a_range() {
        assert_eq!(host_ports("").unwrap(), (0, None));
        assert_eq!(host_ports("0").unwrap(), (0, None));
        assert_eq!(host_ports("80").unwrap(), (80, None));
        assert_eq!(host_ports("80-80").unwrap(), (80, None));
        assert_eq!(host_ports("80-90").unwrap(), (80, Some(90)));
        for bad in ["90-80", "0-9", "x", "80-", "-80", "80-65536", "1-2-3"] {
            assert!(host_ports(bad).is_err(), "{bad}");
        }
    }
}
