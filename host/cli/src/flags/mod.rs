//! Values of flags that have a grammar of their own.

mod bytes;
mod devices;
mod environment;
mod hosts;
mod mounts;
mod networks;
mod ports;
mod restart;
mod security;
mod time;
mod volumes;

pub(crate) use bytes::{parse_size, parse_swap};
pub(crate) use devices::{
    parse_bps, parse_device, parse_gpus, parse_iops, parse_nano_cpus, parse_ulimit,
    parse_weight_device,
};
pub(crate) use environment::{env_list, label_map, parse_env};
pub(crate) use hosts::{parse_host, parse_link};
pub(crate) use mounts::parse_mount;
pub(crate) use networks::{NetworkAttachment, parse_network};
pub(crate) use ports::publish;
pub(crate) use restart::parse_restart;
pub(crate) use security::security_options;
pub(crate) use time::{parse_duration, parse_since};
pub(crate) use volumes::{Volume, parse_volume};

/// A flag's value that cannot be meant.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct InvalidValue(pub(crate) String);

pub(crate) fn invalid(text: impl Into<String>) -> InvalidValue {
    InvalidValue(text.into())
}

/// `name=value`, both kept as they are.
pub(crate) fn key_value<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str), InvalidValue> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| invalid(format!("{what} must be of the form name=value: {text}")))
}
