//! Networks, names and ports of a container.

use std::net::{Ipv4Addr, Ipv6Addr};

use bulkhead_api::container::CreateRequest;
use clap::Args;

use super::refused;
use crate::error::{Error, Result};
use crate::flags::{self, NetworkAttachment};

#[derive(Args, Debug)]
pub(super) struct NetworkFlags {
    /// Connect the container to a network (NAME, or name=NAME,alias=NAME,ip=ADDRESS)
    #[arg(long, alias = "net", value_name = "NETWORK", value_parser = flags::parse_network)]
    network: Vec<NetworkAttachment>,
    /// Another name of the container on its first network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
    /// Add a link to another container
    #[arg(long, value_name = "CONTAINER[:NAME]", value_parser = flags::parse_link)]
    link: Vec<String>,
    /// IPv4 address on its first network (172.30.100.104)
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Ipv4Addr>,
    /// IPv6 address on its first network (2001:db8::33)
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<Ipv6Addr>,
    /// Hardware address on its first network (92:d0:c6:0a:29:33)
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    /// Publish a container's port to the host ([[IP:]HOST:]PORT[/PROTOCOL])
    #[arg(short, long, value_name = "PORT")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Container host name
    #[arg(short = 'h', long, default_value = "", hide_default_value = true)]
    hostname: String,
    /// Container NIS domain name
    #[arg(long, default_value = "", hide_default_value = true)]
    domainname: String,
    /// Add a line to /etc/hosts (name:address)
    #[arg(long, value_name = "HOST", value_parser = flags::parse_host)]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<std::net::IpAddr>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
}

impl NetworkFlags {
    pub(super) fn fill(&self, request: &mut CreateRequest) -> Result<()> {
        let ports = |list: &[String]| {
            list.iter()
                .map(|text| text.parse())
                .collect::<Result<Vec<_>, _>>()
        };
        let (published, exposed) = (
            ports(&self.publish).map_err(refused)?,
            ports(&self.expose).map_err(refused)?,
        );
        let networks = self.networks()?;
        let (config, host) = (&mut request.config, &mut request.host_config);
        (config.exposed_ports, host.port_bindings) = flags::publish(&published, &exposed);
        config.hostname.clone_from(&self.hostname);
        config.domainname.clone_from(&self.domainname);
        host.network_mode.clone_from(&networks[0].network);
        host.publish_all_ports = self.publish_all;
        host.extra_hosts.clone_from(&self.add_host);
        host.dns = self.dns.iter().map(ToString::to_string).collect();
        host.dns_search.clone_from(&self.dns_search);
        host.dns_options.clone_from(&self.dns_option);
        let places = networks.iter().map(|n| (n.network.clone(), n.settings()));
        request.networking_config.endpoints_config = places.collect();
        request.host_config.links.clone_from(&self.link);
        let first = &networks[0];
        if first.is_user_defined()
            && let Some(place) =
                (request.networking_config.endpoints_config).get_mut(&first.network)
        {
            place.links.clone_from(&self.link);
        }
        Ok(())
    }

    /// At least one network; names and address of the short flags are the
    /// first one's.
    fn networks(&self) -> Result<Vec<NetworkAttachment>> {
        let mut networks = self.network.clone();
        if networks.is_empty() {
            networks.push(flags::parse_network("default").map_err(refused)?);
        }
        let first = &mut networks[0];
        let twice = [
            (
                !first.aliases.is_empty() && !self.network_alias.is_empty(),
                "--network-alias and per-network alias",
            ),
            (
                first.address.is_some() && self.ip.is_some(),
                "--ip and per-network IPv4 address",
            ),
            (
                first.address_v6.is_some() && self.ip6.is_some(),
                "--ip6 and per-network IPv6 address",
            ),
            (
                first.mac.is_some() && self.mac_address.is_some(),
                "--mac-address and per-network MAC address",
            ),
        ];
        if let Some((_, what)) = twice.into_iter().find(|(both, _)| *both) {
            let text = format!("conflicting options: cannot specify both {what}");
            return Err(Error::Option(text));
        }
        first.aliases.extend_from_slice(&self.network_alias);
        first.address = first.address.or(self.ip);
        first.address_v6 = first.address_v6.or(self.ip6);
        first.mac = first.mac.take().or_else(|| self.mac_address.clone());
        check_combination(&networks)?;
        Ok(networks)
    }
}

fn check_combination(networks: &[NetworkAttachment]) -> Result<()> {
    let user_defined = networks.iter().filter(|n| n.is_user_defined()).count();
    if user_defined > 0 && user_defined < networks.len() {
        return Err(Error::Option("conflicting options: cannot attach both user-defined and non-user-defined network-modes".to_owned()));
    }
    for (at, network) in networks.iter().enumerate() {
        if networks[..at].iter().any(|n| n.network == network.network) {
            let text = format!("network {:?} is specified multiple times", network.network);
            return Err(Error::Option(text));
        }
    }
    Ok(())
}
