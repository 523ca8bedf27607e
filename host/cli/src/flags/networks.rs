//! Networks to join: `NAME`, or `name=NAME,alias=…,ip=…`.

use std::net::{Ipv4Addr, Ipv6Addr};

use bulkhead_api::network::{EndpointIpam, EndpointSettings};

use super::{InvalidValue, invalid};

/// A network and the container's place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkAttachment {
    /// Its name or id.
    pub(crate) network: String,
    /// Other names of the container there.
    pub(crate) aliases: Vec<String>,
    /// The address asked for.
    pub(crate) address: Option<Ipv4Addr>,
    /// The IPv6 address asked for.
    pub(crate) address_v6: Option<Ipv6Addr>,
    /// The hardware address asked for.
    pub(crate) mac: Option<String>,
    /// Options of the network's driver.
    pub(crate) options: Vec<(String, String)>,
    /// The highest one provides the default gateway.
    pub(crate) gateway_priority: i64,
}

/// Both forms of `--network`. Keys are told apart without regard to case, as
/// docker does.
pub(crate) fn parse_network(text: &str) -> Result<NetworkAttachment, InvalidValue> {
    if !text.contains('=') {
        return Ok(NetworkAttachment {
            network: text.to_owned(),
            ..NetworkAttachment::default()
        });
    }
    let mut attachment = NetworkAttachment::default();
    for field in text.split(',') {
        attachment.set(field.trim())?;
    }
    if attachment.network.is_empty() {
        return Err(invalid("network name/id is not specified"));
    }
    Ok(attachment)
}

impl NetworkAttachment {
    fn set(&mut self, field: &str) -> Result<(), InvalidValue> {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        if value.is_empty() {
            return Err(invalid(format!("invalid field {field}")));
        }
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => self.network = value.to_owned(),
            "alias" => self.aliases.push(value.to_owned()),
            "ip" => self.address = Some(parse_address(value)?),
            "ip6" => self.address_v6 = Some(parse_address_v6(value)?),
            "mac-address" => self.mac = Some(value.to_owned()),
            "driver-opt" => self.options.push(driver_option(value)?),
            "gw-priority" => {
                let number = value.parse();
                self.gateway_priority =
                    number.map_err(|_| invalid(format!("invalid gw-priority: {value}")))?;
            }
            other => return Err(invalid(format!("invalid field key {other}"))),
        }
        Ok(())
    }

    /// What the create call says of it.
    pub(crate) fn settings(&self) -> EndpointSettings {
        EndpointSettings {
            ipam_config: self.ipam(),
            mac_address: self.mac.clone().unwrap_or_default(),
            aliases: self.aliases.clone(),
            driver_opts: (!self.options.is_empty()).then(|| self.options.iter().cloned().collect()),
            gw_priority: self.gateway_priority,
            ..EndpointSettings::default()
        }
    }

    fn ipam(&self) -> Option<EndpointIpam> {
        let ipam = EndpointIpam {
            ipv4_address: self.address.map(|a| a.to_string()).unwrap_or_default(),
            ipv6_address: self.address_v6.map(|a| a.to_string()).unwrap_or_default(),
            ..EndpointIpam::default()
        };
        (ipam != EndpointIpam::default()).then_some(ipam)
    }

    /// Whether users made it, as far as its name tells.
    pub(crate) fn is_user_defined(&self) -> bool {
        !matches!(
            self.network.as_str(),
            "default" | "bridge" | "host" | "none"
        ) && !self.network.starts_with("container:")
    }
}

fn parse_address(value: &str) -> Result<Ipv4Addr, InvalidValue> {
    value
        .parse()
        .map_err(|_| invalid(format!("invalid IPv4 address: {value}")))
}

fn parse_address_v6(value: &str) -> Result<Ipv6Addr, InvalidValue> {
    value
        .parse()
        .map_err(|_| invalid(format!("invalid IPv6 address: {value}")))
}

fn driver_option(value: &str) -> Result<(String, String), InvalidValue> {
    let pair = value.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) =
        pair.ok_or_else(|| invalid("invalid key value pair format in driver options"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse_network("shop").unwrap().network, "shop");
        let long = parse_network("NAME=shop, alias=a,alias=b,ip=10.1.2.3,driver-opt=k=v").unwrap();
        assert_eq!(long.aliases, ["a", "b"]);
        assert_eq!(long.address, Some(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(long.settings().driver_opts.unwrap()["k"], "v");
        let long = parse_network("name=shop,ip6=fd00::7,mac-address=02:00:00:00:00:07").unwrap();
        let settings = long.settings();
        assert_eq!(settings.mac_address, "02:00:00:00:00:07");
        assert_eq!(settings.ipam_config.unwrap().ipv6_address, "fd00::7");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, why) in [
            ("alias=a", "network name/id is not specified"),
            ("name=x,ip=::1", "invalid IPv4 address: ::1"),
            ("name=x,colour=red", "invalid field key colour"),
            ("name=x,ip", "invalid field ip"),
            (
                "name=x,driver-opt=k",
                "invalid key value pair format in driver options",
            ),
        ] {
            assert_eq!(parse_network(text).unwrap_err().to_string(), why);
        }
    }
}
