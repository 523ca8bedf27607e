//! `network create`: a name, a subnet nobody has, a record.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::PoisonError;

use bulkhead_model::network::Cidr;

use crate::error::EngineError;
use crate::events::Subject;
use crate::networks::NetworkRecord;
use crate::{Engine, now, random_id};

/// The option by which Docker's bridge driver takes an MTU.
const MTU: &str = "com.docker.network.driver.mtu";
/// Options of Docker's bridge driver at the values that are the only ones here.
const FIXED: [(&str, &str); 4] = [
    ("com.docker.network.bridge.enable_icc", "true"),
    ("com.docker.network.bridge.enable_ip_masquerade", "true"),
    ("com.docker.network.bridge.default_bridge", "false"),
    ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
];

/// A network as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// The driver's short name; `bridge` when empty.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// No way out of it and none in.
    pub internal: bool,
    /// Only shown again.
    pub attachable: bool,
    /// The pool's options; only shown again.
    pub ipam_options: BTreeMap<String, String>,
    /// Where addresses come from; chosen here when absent.
    pub pool: Option<Pool>,
}

/// A subnet as it was asked for, each part in the client's own words.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Such as `10.1.0.0/16`.
    pub subnet: String,
    /// The bridge's own address; the subnet's first when empty.
    pub gateway: String,
    /// The part of the subnet that addresses are leased from.
    pub range: String,
}

/// A new network.
#[derive(Debug)]
pub struct NetworkCreated {
    /// Its id.
    pub id: String,
}

impl Engine {
    /// Makes a network's record. Its bridge comes with its first endpoint.
    pub fn create_network(&self, spec: NetworkSpec) -> Result<NetworkCreated, EngineError> {
        let changing = self.networks.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        self.check_network(&spec)?;
        let mut record = NetworkRecord {
            id: random_id().to_string(),
            driver: "bridge".to_owned(),
            created_at: now(),
            mtu: checked_mtu(&spec.options)?,
            chosen_subnet: spec.pool.is_some(),
            name: spec.name,
            internal: spec.internal,
            attachable: spec.attachable,
            labels: spec.labels,
            options: spec.options,
            ipam_options: spec.ipam_options,
            ..NetworkRecord::default()
        };
        // Fifteen bytes are what an interface's name may have (IFNAMSIZ).
        record.interface = Some(format!("bh-{}", &record.id[..12]));
        let (gateway, range) = match &spec.pool {
            Some(pool) => self.chosen_pool(pool)?,
            None => (self.runtime.free_subnet(&self.subnets())?, None),
        };
        record.gateway = Some(gateway.to_string());
        record.ip_range = range.map(|r| r.to_string());
        self.networks.write(&record)?;
        self.pools.add_with_range(&record.name, gateway, range);
        let config = record.config(self.networks.mtu);
        let (id, name) = (record.id.clone(), record.name.clone());
        self.networks.put(record, config);
        let attributes = [("name", name.as_str()), ("type", "bridge")];
        self.events
            .publish(Subject::Network, "create", &id, attributes);
        Ok(NetworkCreated { id })
    }

    fn check_network(&self, spec: &NetworkSpec) -> Result<(), EngineError> {
        if spec.name.trim().is_empty() || spec.name.contains(['/', '\0', '\n']) {
            return Err(EngineError::InvalidNetworkName(spec.name.clone()));
        }
        match spec.driver.as_str() {
            "" | "default" | "bridge" => {}
            single @ ("host" | "null" | "none") => {
                return Err(EngineError::SingleNetwork(single.to_owned()));
            }
            other => return Err(EngineError::NoSuchPlugin(other.to_owned())),
        }
        if !self.networks.drivers.contains_key("bridge") {
            return Err(EngineError::NoNetworkDriver("bridge".to_owned()));
        }
        let all = self.networks.all();
        match all.iter().find(|n| n.record.name == spec.name) {
            Some(taken) if taken.record.predefined => {
                Err(EngineError::PredefinedNetwork(spec.name.clone()))
            }
            Some(_) => Err(EngineError::NetworkNameInUse(spec.name.clone())),
            None if matches!(spec.name.as_str(), "bridge" | "host" | "none" | "default") => {
                Err(EngineError::PredefinedNetwork(spec.name.clone()))
            }
            None => Ok(()),
        }
    }

    fn subnets(&self) -> Vec<Cidr> {
        let all = self.networks.all();
        all.iter().filter_map(|n| n.config.gateway).collect()
    }

    /// The gateway with the subnet's prefix, and the range to lease from.
    fn chosen_pool(&self, pool: &Pool) -> Result<(Cidr, Option<Cidr>), EngineError> {
        let subnet: Cidr = pool.subnet.parse().map_err(EngineError::Subnet)?;
        if !subnet.addr.is_ipv4() {
            return Err(EngineError::NetworkOption("an IPv6 subnet".into()));
        }
        // The gateway and one container.
        if subnet.prefix > 30 {
            return Err(EngineError::SmallSubnet(subnet));
        }
        if self.subnets().iter().any(|used| used.overlaps(&subnet)) {
            return Err(EngineError::PoolOverlaps);
        }
        let gateway = gateway(pool, subnet)?;
        let range = match pool.range.as_str() {
            "" => None,
            text => Some(text.parse::<Cidr>().map_err(EngineError::Subnet)?),
        };
        if let Some(range) = range
            && (range.prefix < subnet.prefix || !subnet.contains(range.addr))
        {
            return Err(EngineError::RangeOutsideSubnet { range, subnet });
        }
        Ok((gateway, range))
    }
}

fn gateway(pool: &Pool, subnet: Cidr) -> Result<Cidr, EngineError> {
    let addr = match (pool.gateway.as_str(), subnet.network()) {
        ("", IpAddr::V4(first)) => IpAddr::V4((u32::from(first) + 1).into()),
        (text, _) => text
            .parse()
            .map_err(|_| EngineError::Gateway(text.to_owned()))?,
    };
    if !subnet.contains(addr) || addr == subnet.network() {
        return Err(EngineError::Gateway(pool.gateway.clone()));
    }
    Ok(Cidr {
        addr,
        prefix: subnet.prefix,
    })
}

/// The MTU among the options; an option that would be ignored is refused.
fn checked_mtu(options: &BTreeMap<String, String>) -> Result<Option<u32>, EngineError> {
    for (key, value) in options {
        let fixed = FIXED
            .iter()
            .any(|(k, v)| k == key && (v == value || value.is_empty()));
        if key != MTU && !fixed {
            return Err(EngineError::NetworkOption(format!(
                "network option {key}={value}"
            )));
        }
    }
    let Some(text) = options.get(MTU) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(mtu @ 68..=65535) => Ok(Some(mtu)),
        _ => Err(EngineError::NetworkMtu(text.clone())),
    }
}
