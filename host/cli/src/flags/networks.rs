//! Networks to join: `NAME`, or `name=NAME,alias=…,ip=…`.

use std::net::Ipv4Addr;

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
            ipam_config: self.address.map(|address| EndpointIpam {
                ipv4_address: address.to_string(),
                ..EndpointIpam::default()
            }),
            aliases: self.aliases.clone(),
            driver_opts: (!self.options.is_empty()).then(|| self.options.iter().cloned().collect()),
            gw_priority: self.gateway_priority,
            ..EndpointSettings::default()
        }
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
