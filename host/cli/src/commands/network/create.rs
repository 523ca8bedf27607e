//! `bulkhead network create`

use std::collections::BTreeMap;

use bulkhead_api::network::{
    ConfigReference, Ipam, IpamConfig, NetworkCreateRequest, NetworkCreated,
};
use bulkhead_api::route::Route;
use clap::Args;

use super::subnet::{Subnet, contains};
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::flags::label_map;
use crate::options::option_map;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NETWORK")]
pub(crate) struct CreateArgs {
    /// Containers may be attached by hand (swarm)
    #[arg(long)]
    attachable: bool,
    /// Addresses that the driver keeps for itself
    #[arg(long, value_name = "NAME=ADDRESS")]
    aux_address: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(long, value_name = "NETWORK")]
    config_from: Option<String>,
    /// Create only a configuration, for other networks to copy
    #[arg(long)]
    config_only: bool,
    /// The driver of the network
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// Gateway of a subnet
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    gateway: Vec<String>,
    /// Create swarm's routing-mesh network
    #[arg(long)]
    ingress: bool,
    /// Keep containers from reaching other networks
    #[arg(long)]
    internal: bool,
    /// Give containers addresses of this part of a subnet
    #[arg(long, value_name = "SUBNET", value_delimiter = ',')]
    ip_range: Vec<String>,
    /// Driver that manages addresses
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    ipam_driver: String,
    /// Set options of the driver that manages addresses
    #[arg(long, value_name = "NAME=VALUE")]
    ipam_opt: Vec<String>,
    /// Give containers IPv4 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          hide_possible_values = true)]
    ipv4: Option<bool>,
    /// Give containers IPv6 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          hide_possible_values = true)]
    ipv6: Option<bool>,
    /// Set labels on the network
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Set options of the network's driver
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Where the network is known (local, swarm)
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    /// Subnet of the network, in CIDR format
    #[arg(long, value_name = "SUBNET", value_delimiter = ',')]
    subnet: Vec<String>,
    #[arg(value_name = "NETWORK", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &CreateArgs) -> Result<u8> {
    let request = args.request()?;
    let created: NetworkCreated = client
        .json(Call::new(Route::NetworkCreate).json(&request))
        .await?;
    if !created.warning.is_empty() {
        crate::output::warn(format_args!("WARNING: {}", created.warning));
    }
    print(format_args!("{}\n", created.id))?;
    Ok(0)
}

impl CreateArgs {
    fn request(&self) -> Result<NetworkCreateRequest> {
        let ipam = Ipam {
            driver: self.ipam_driver.clone(),
            options: Some(option_map(&self.ipam_opt)),
            config: self.pools()?,
        };
        let config_from = self.config_from.clone();
        Ok(NetworkCreateRequest {
            name: self.name.clone(),
            check_duplicate: false,
            driver: self.driver.clone(),
            scope: self.scope.clone(),
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            ipam: Some(ipam),
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_only: self.config_only,
            config_from: config_from.map(|network| ConfigReference { network }),
            options: option_map(&self.opt),
            labels: label_map(&[], &self.label)?,
        })
    }

    /// Each subnet with the ranges, gateways and addresses that lie in it.
    fn pools(&self) -> Result<Vec<IpamConfig>> {
        let refused = |text: String| Error::Option(text);
        if self.subnet.len() < self.ip_range.len() || self.subnet.len() < self.gateway.len() {
            return Err(refused(
                "every ip-range or gateway must have a corresponding subnet".into(),
            ));
        }
        let mut pools = Vec::new();
        for text in &self.subnet {
            let subnet: Subnet = text.parse().map_err(refused)?;
            pools.push((
                subnet,
                IpamConfig {
                    subnet: text.clone(),
                    ..IpamConfig::default()
                },
            ));
        }
        let overlap = pools
            .iter()
            .enumerate()
            .any(|(i, (subnet, _))| pools[..i].iter().any(|(other, _)| other.overlaps(subnet)));
        if overlap {
            return Err(refused(
                "multiple overlapping subnet configuration is not supported".into(),
            ));
        }
        for range in &self.ip_range {
            let pool = contains(&mut pools, range).map_err(refused)?;
            pool.ip_range.clone_from(range);
        }
        for gateway in &self.gateway {
            let pool = contains(&mut pools, gateway).map_err(refused)?;
            pool.gateway.clone_from(gateway);
        }
        let auxiliary: BTreeMap<String, String> = option_map(&self.aux_address);
        for (name, address) in auxiliary {
            let pool = contains(&mut pools, &address).map_err(refused)?;
            pool.auxiliary_addresses.insert(name, address);
        }
        Ok(pools.into_iter().map(|(_, pool)| pool).collect())
    }
}
