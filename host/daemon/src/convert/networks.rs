//! Networks and places in them, between the wire and the engine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bulkhead_api::container::NetworkingConfig;
use bulkhead_api::network::{
    EndpointResource, EndpointSettings, Ipam, IpamConfig, Network as WireNetwork,
    NetworkCreateRequest,
};
use bulkhead_engine::Network;
use bulkhead_engine::container::Container;
use bulkhead_engine::networks::{NetworkRecord, NetworkSpec, Pool};
use bulkhead_engine::spec::EndpointSpec;

use super::create::BadRequest;
use super::inspect::mac;
use super::rfc3339;

/// What a `create` asks of the container's places.
pub fn endpoints(config: &NetworkingConfig) -> Result<Vec<EndpointSpec>, BadRequest> {
    let all = config.endpoints_config.iter();
    all.map(|(network, settings)| endpoint(network, settings))
        .collect()
}

/// What is asked of one place. Settings that would be ignored are refused.
pub fn endpoint(network: &str, settings: &EndpointSettings) -> Result<EndpointSpec, BadRequest> {
    let refuse = |what: &str| Err(BadRequest::Unsupported(what.to_owned()));
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    if !ipam.ipv6_address.is_empty() || !ipam.link_local_ips.is_empty() {
        return refuse("an IPv6 or link-local address");
    }
    if settings.driver_opts.as_ref().is_some_and(|o| !o.is_empty()) {
        return refuse("an option of the network's driver");
    }
    if !settings.mac_address.is_empty() {
        return refuse("--mac-address");
    }
    let address = match ipam.ipv4_address.as_str() {
        "" => None,
        text => Some(
            text.parse::<Ipv4Addr>()
                .map_err(|_| BadRequest::Address(text.to_owned()))?,
        ),
    };
    Ok(EndpointSpec {
        network: network.to_owned(),
        aliases: settings.aliases.clone(),
        address,
        links: settings.links.clone(),
    })
}

/// A `network create`. What would be ignored is refused.
pub fn spec(asked: NetworkCreateRequest) -> Result<NetworkSpec, BadRequest> {
    let ipam = asked.ipam.unwrap_or_default();
    let config_from = asked.config_from.is_some_and(|c| !c.network.is_empty());
    let refused = [
        (asked.enable_ipv6 == Some(true), "IPv6"),
        (asked.enable_ipv4 == Some(false), "a network without IPv4"),
        (asked.ingress, "an ingress network"),
        (asked.config_only || config_from, "a configuration network"),
        (
            !matches!(asked.scope.as_str(), "" | "local"),
            "a scope other than local",
        ),
        (
            !matches!(ipam.driver.as_str(), "" | "default"),
            "an IPAM driver other than default",
        ),
        (ipam.config.len() > 1, "a network with more than one subnet"),
        (
            ipam.config
                .iter()
                .any(|c| !c.auxiliary_addresses.is_empty()),
            "--aux-address",
        ),
    ];
    if let Some((_, what)) = refused.into_iter().find(|(asked, _)| *asked) {
        return Err(BadRequest::Unsupported(what.to_owned()));
    }
    let pool = ipam.config.into_iter().next().map(|c| Pool {
        subnet: c.subnet,
        gateway: c.gateway,
        range: c.ip_range,
    });
    Ok(NetworkSpec {
        name: asked.name,
        driver: asked.driver,
        options: asked.options,
        labels: asked.labels,
        internal: asked.internal,
        attachable: asked.attachable,
        ipam_options: ipam.options.unwrap_or_default(),
        pool: pool.filter(|p| !p.subnet.is_empty()),
    })
}

/// A network as lists and `inspect` have it; `members` are shown as far as
/// they run.
pub fn network(network: &Network, members: &[std::sync::Arc<Container>]) -> WireNetwork {
    let record = &network.record;
    let containers = members.iter().filter_map(|c| resource(c, &record.id));
    WireNetwork {
        name: record.name.clone(),
        id: record.id.clone(),
        created: rfc3339(record.created_at),
        scope: "local".to_owned(),
        driver: driver(record).to_owned(),
        enable_ipv4: Some(true),
        ipam: Ipam {
            driver: "default".to_owned(),
            options: Some(record.ipam_options.clone())
                .filter(|o| !record.predefined || !o.is_empty()),
            config: subnet(record).into_iter().collect(),
        },
        internal: record.internal,
        attachable: record.attachable,
        containers: containers.collect(),
        options: options(network),
        labels: record.labels.clone(),
        ..WireNetwork::default()
    }
}

/// The driver's name as clients know it.
pub fn driver(record: &NetworkRecord) -> &str {
    match record.driver.as_str() {
        "none" => "null",
        name => name,
    }
}

fn subnet(record: &NetworkRecord) -> Option<IpamConfig> {
    let gateway = record.gateway()?;
    Some(IpamConfig {
        subnet: format!("{}/{}", gateway.network(), gateway.prefix),
        ip_range: record.ip_range.clone().unwrap_or_default(),
        gateway: gateway.addr.to_string(),
        ..IpamConfig::default()
    })
}

/// The default bridge says what Docker's says.
fn options(network: &Network) -> BTreeMap<String, String> {
    let mut options = network.record.options.clone();
    let Some(interface) = &network.config.interface else {
        return options;
    };
    if network.record.predefined {
        let bridge = |key: &str| format!("com.docker.network.bridge.{key}");
        options.extend([
            (bridge("default_bridge"), "true".to_owned()),
            (bridge("enable_icc"), "true".to_owned()),
            (bridge("enable_ip_masquerade"), "true".to_owned()),
            (bridge("host_binding_ipv4"), "0.0.0.0".to_owned()),
            (bridge("name"), interface.to_string()),
            (
                "com.docker.network.driver.mtu".to_owned(),
                network.config.mtu.to_string(),
            ),
        ]);
    }
    options
}

fn resource(container: &Container, network: &str) -> Option<(String, EndpointResource)> {
    let endpoint = (container.endpoints.iter()).find(|e| e.network_id == network)?;
    let address = endpoint.addresses.first();
    let shown = EndpointResource {
        name: container.name.clone(),
        endpoint_id: endpoint.id.clone(),
        mac_address: address.map(mac).unwrap_or_default(),
        ipv4_address: address
            .map(|a| format!("{a}/{}", endpoint.prefix))
            .unwrap_or_default(),
        ipv6_address: String::new(),
    };
    Some((container.id.to_string(), shown))
}
