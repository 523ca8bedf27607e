//! Options of the network drivers, with Docker's names.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bulkhead_model::network::IfName;

use crate::error::EngineError;

const MTU: &str = "com.docker.network.driver.mtu";
const NAME: &str = "com.docker.network.bridge.name";
const BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// Switches that the bridge driver reads for itself.
const SWITCHES: [&str; 2] = [
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
];
/// Options at the values that are the only ones here.
const FIXED: [(&str, &str); 3] = [
    ("com.docker.network.bridge.default_bridge", "false"),
    ("com.docker.network.bridge.gateway_mode_ipv4", "nat"),
    ("com.docker.network.bridge.gateway_mode_ipv6", "nat"),
];
/// Docker's own, which would promise something when they were ignored.
const DOCKERS: &str = "com.docker.network.";

/// What the engine reads of a network's options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NetworkOptions {
    /// Link MTU.
    pub(super) mtu: Option<u32>,
    /// The interface on the host.
    pub(super) interface: Option<IfName>,
}

impl NetworkOptions {
    /// Checks every option. What is none of Docker's is the driver's alone, and
    /// ignored by those that do not know it, as with Docker.
    pub(super) fn read(
        driver: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, EngineError> {
        let mut read = Self::default();
        for (key, value) in options {
            match key.as_str() {
                MTU => read.mtu = Some(mtu(value)?),
                NAME if driver == "bridge" => read.interface = Some(interface(key, value)?),
                "parent" if driver != "bridge" && !value.is_empty() => {
                    read.interface = Some(interface(key, value)?);
                }
                BINDING if value.parse::<Ipv4Addr>().is_err() => {
                    return Err(bad(key, value, "not an IPv4 address"));
                }
                BINDING => {}
                key if SWITCHES.contains(&key) => switch(key, value)?,
                key if !key.starts_with(DOCKERS) => {}
                key if FIXED.contains(&(key, value)) => {}
                _ => {
                    return Err(EngineError::NetworkOption {
                        option: format!("network option {key}={value}"),
                        driver: driver.to_owned(),
                    });
                }
            }
        }
        Ok(read)
    }
}

/// The address at which ports are published that name none.
pub(super) fn host_binding(options: &[(String, String)]) -> Ipv4Addr {
    let found = options.iter().find(|(key, _)| key == BINDING);
    let chosen = found.and_then(|(_, value)| value.parse().ok());
    chosen.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn mtu(value: &str) -> Result<u32, EngineError> {
    match value.parse() {
        Ok(mtu @ 68..=65535) => Ok(mtu),
        Ok(_) => Err(bad(MTU, value, "expected 68 to 65535")),
        Err(_) => {
            let why = format!("strconv.Atoi: parsing {value:?}: invalid syntax");
            Err(bad(MTU, value, &why))
        }
    }
}

fn interface(key: &str, value: &str) -> Result<IfName, EngineError> {
    IfName::new(value).ok_or_else(|| bad(key, value, "not an interface name of 15 bytes at most"))
}

/// In the words of Go, which Docker parses them with.
fn switch(key: &str, value: &str) -> Result<(), EngineError> {
    const WORDS: [&str; 13] = [
        "", "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
    ];
    match WORDS.contains(&value) {
        true => Ok(()),
        false => {
            let why = format!("strconv.ParseBool: parsing {value:?}: invalid syntax");
            Err(bad(key, value, &why))
        }
    }
}

fn bad(key: &str, value: &str, why: &str) -> EngineError {
    EngineError::NetworkOptionValue {
        key: key.to_owned(),
        value: value.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(driver: &str, options: &[(&str, &str)]) -> Result<NetworkOptions, String> {
        let owned = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        NetworkOptions::read(driver, &owned.collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn dockers_options_are_read_and_strangers_passed_on() {
        let options = [
            (MTU, "1400"),
            (NAME, "br0"),
            (SWITCHES[0], "false"),
            ("anything", "goes"),
        ];
        let read = read("bridge", &options).unwrap();
        assert_eq!((read.mtu, read.interface), (Some(1400), IfName::new("br0")));
    }

    #[test]
    fn bad_values_and_what_would_be_ignored_are_refused_by_name() {
        for (key, value, told) in [
            (
                SWITCHES[0],
                "maybe",
                "failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing \"maybe\": invalid syntax)",
            ),
            (
                MTU,
                "x",
                "failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing \"x\": invalid syntax)",
            ),
            (
                "com.docker.network.bridge.inhibit_ipv4",
                "true",
                "network option com.docker.network.bridge.inhibit_ipv4=true is not supported by the bridge driver",
            ),
        ] {
            assert_eq!(read("bridge", &[(key, value)]).unwrap_err(), told);
        }
        for (key, value) in [
            (NAME, "a-name-of-16-char"),
            (NAME, "../x"),
            (BINDING, "::1"),
            (MTU, "67"),
        ] {
            assert!(read("bridge", &[(key, value)]).is_err(), "{key}={value}");
        }
    }
}
