//! `bulkhead network connect`

use std::net::{Ipv4Addr, Ipv6Addr};

use bulkhead_api::network::{EndpointIpam, EndpointSettings, NetworkConnectRequest};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::options::option_map;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NETWORK CONTAINER")]
pub(crate) struct ConnectArgs {
    /// Another name of the container on this network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Set options of the network's driver
    #[arg(long, value_name = "NAME=VALUE")]
    driver_opt: Vec<String>,
    /// The highest one provides the default gateway
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    gw_priority: i64,
    /// IPv4 address (172.30.100.104)
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Ipv4Addr>,
    /// IPv6 address (2001:db8::33)
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<Ipv6Addr>,
    /// Add a link to another container
    #[arg(long, value_name = "CONTAINER[:NAME]")]
    link: Vec<String>,
    /// Add a link-local address
    #[arg(long, value_name = "ADDRESS")]
    link_local_ip: Vec<String>,
    #[arg(value_name = "NETWORK", hide = true)]
    network: String,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &ConnectArgs) -> Result<u8> {
    let address = |text: Option<String>| text.unwrap_or_default();
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpam {
            ipv4_address: address(args.ip.map(|ip| ip.to_string())),
            ipv6_address: address(args.ip6.map(|ip| ip.to_string())),
            link_local_ips: args.link_local_ip.clone(),
        }),
        links: args.link.clone(),
        aliases: args.alias.clone(),
        driver_opts: (!args.driver_opt.is_empty()).then(|| option_map(&args.driver_opt)),
        gw_priority: args.gw_priority,
        ..EndpointSettings::default()
    };
    let request = NetworkConnectRequest {
        container: args.container.clone(),
        endpoint_config: Some(endpoint),
    };
    let call = Call::new(Route::NetworkConnect(args.network.clone())).json(&request);
    client.run(call).await?;
    Ok(0)
}
