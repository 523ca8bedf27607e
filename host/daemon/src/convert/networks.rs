//! Networks and places in them, between the wire and the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bulkhead_api::container::NetworkingConfig;
use bulkhead_api::network::{
    EndpointResource, EndpointSettings, Ipam, IpamConfig, Network as WireNetwork,
    NetworkCreateRequest,
};
use bulkhead_engine::Network;
use bulkhead_engine::container::Container;
use bulkhead_engine::networks::{NetworkRecord, NetworkSpec, PoolRecord, PoolSpec};
use bulkhead_engine::spec::EndpointSpec;
use bulkhead_model::network::{Family, MacAddr};

use super::bad_request::BadRequest;
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
    if !ipam.link_local_ips.is_empty() {
        return refuse("a link-local address");
    }
    let mut addresses = Vec::new();
    for (family, text) in [
        (Family::V4, ipam.ipv4_address),
        (Family::V6, ipam.ipv6_address),
    ] {
        addresses.extend(address(family, &text)?);
    }
    Ok(EndpointSpec {
        network: network.to_owned(),
        aliases: settings.aliases.clone(),
        addresses,
        mac: hardware_address(&settings.mac_address)?,
        gateway_priority: settings.gw_priority,
        driver_options: settings.driver_opts.clone().unwrap_or_default(),
        links: settings.links.clone(),
    })
}

fn address(family: Family, text: &str) -> Result<Option<IpAddr>, BadRequest> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().ok();
    match parsed.filter(|addr| Family::of(*addr) == family) {
        Some(addr) => Ok(Some(addr)),
        None => Err(BadRequest::Address {
            version: if family == Family::V4 { 4 } else { 6 },
            text: text.to_owned(),
        }),
    }
}

/// As it is written in records; none when empty.
pub fn hardware_address(text: &str) -> Result<Option<String>, BadRequest> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<MacAddr>() {
        Ok(mac) => Ok(Some(mac.to_string())),
        Err(_) => Err(BadRequest::HardwareAddress(text.to_owned())),
    }
}

/// A `network create`. What would be ignored is refused.
pub fn spec(asked: NetworkCreateRequest) -> Result<NetworkSpec, BadRequest> {
    let ipam = asked.ipam.unwrap_or_default();
    let config_from = asked.config_from.is_some_and(|c| !c.network.is_empty());
    let refused = [
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
    ];
    if let Some((_, what)) = refused.into_iter().find(|(asked, _)| *asked) {
        return Err(BadRequest::Unsupported(what.to_owned()));
    }
    let pools = ipam.config.into_iter().map(|c| PoolSpec {
        subnet: c.subnet,
        gateway: c.gateway,
        range: c.ip_range,
        auxiliary: c.auxiliary_addresses,
    });
    let families = [
        (Family::V4, asked.enable_ipv4.unwrap_or(true)),
        (Family::V6, asked.enable_ipv6.unwrap_or(false)),
    ];
    let families = families.into_iter().filter(|(_, wanted)| *wanted);
    Ok(NetworkSpec {
        name: asked.name,
        driver: asked.driver,
        options: asked.options,
        labels: asked.labels,
        internal: asked.internal,
        attachable: asked.attachable,
        ipam_options: ipam.options.unwrap_or_default(),
        families: families.map(|(family, _)| family).collect(),
        pools: pools.filter(|p| !p.subnet.is_empty()).collect(),
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
        enable_ipv4: Some(has_ipv4(record)),
        enable_ipv6: record.ipv6,
        ipam: Ipam {
            driver: "default".to_owned(),
            options: Some(record.ipam_options.clone())
                .filter(|o| !record.predefined || !o.is_empty()),
            config: record.pools.iter().filter_map(subnet).collect(),
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

/// `host` and `none` say so, too.
fn has_ipv4(record: &NetworkRecord) -> bool {
    let mut gateways = record.pools.iter().filter_map(PoolRecord::gateway);
    record.predefined || gateways.any(|g| g.family() == Family::V4)
}

fn subnet(pool: &PoolRecord) -> Option<IpamConfig> {
    let gateway = pool.gateway()?;
    Some(IpamConfig {
        subnet: gateway.subnet().to_string(),
        ip_range: pool.range.clone().unwrap_or_default(),
        gateway: gateway.addr.to_string(),
        auxiliary_addresses: pool.auxiliary.clone(),
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
    let address = |family| {
        let (addr, gateway) = (endpoint.address(family)?, endpoint.gateway(family)?);
        Some(format!("{addr}/{}", gateway.prefix))
    };
    let shown = EndpointResource {
        name: container.name.clone(),
        endpoint_id: endpoint.id.clone(),
        mac_address: endpoint.mac.clone(),
        ipv4_address: address(Family::V4).unwrap_or_default(),
        ipv6_address: address(Family::V6).unwrap_or_default(),
    };
    Some((container.id.to_string(), shown))
}
