//! `network create`: a name, subnets nobody has, a record.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::PoisonError;

use bulkhead_model::network::{Cidr, DefaultPool, Family, IfName};

use super::options::NetworkOptions;
use super::record::PoolRecord;
use crate::error::EngineError;
use crate::events::Subject;
use crate::networks::NetworkRecord;
use crate::{Engine, now, random_id};

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
    /// The families containers have addresses of.
    pub families: Vec<Family>,
    /// Where addresses come from; chosen here for a family without any.
    pub pools: Vec<PoolSpec>,
}

/// A subnet as it was asked for, each part in the client's own words.
#[derive(Clone, Debug, Default)]
pub struct PoolSpec {
    /// Such as `10.1.0.0/16`.
    pub subnet: String,
    /// The network's own address; the subnet's first when empty.
    pub gateway: String,
    /// The part of the subnet that addresses are leased from.
    pub range: String,
    /// Addresses that others have, by name.
    pub auxiliary: BTreeMap<String, String>,
}

/// A new network.
#[derive(Debug)]
pub struct NetworkCreated {
    /// Its id.
    pub id: String,
    /// What the user should know; often empty.
    pub warning: String,
}

impl Engine {
    /// Makes a network's record. Its interface comes with its first endpoint.
    pub fn create_network(&self, spec: NetworkSpec) -> Result<NetworkCreated, EngineError> {
        let changing = self.networks.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        let driver = self.check_network(&spec)?;
        let options = NetworkOptions::read(&driver, &spec.options)?;
        let id = random_id().to_string();
        let interface = self.interface(&driver, &id, options.interface)?;
        let (pools, warning) = self.subnets_for(&spec, &driver)?;
        let record = NetworkRecord {
            id,
            driver,
            created_at: now(),
            mtu: options.mtu,
            interface: interface.map(|name| name.to_string()),
            ipv6: spec.families.contains(&Family::V6),
            pools,
            name: spec.name,
            internal: spec.internal,
            attachable: spec.attachable,
            labels: spec.labels,
            options: spec.options,
            ipam_options: spec.ipam_options,
            predefined: false,
        };
        self.networks.write(&record)?;
        for pool in record.pools.iter().filter_map(PoolRecord::pool) {
            self.pools.add(&record.name, pool);
        }
        let created = NetworkCreated {
            id: record.id.clone(),
            warning,
        };
        let config = record.config(self.networks.mtu);
        let (name, driver) = (record.name.clone(), record.driver.clone());
        self.networks.put(record, config);
        let attributes = [("name", name.as_str()), ("type", driver.as_str())];
        self.events
            .publish(Subject::Network, "create", &created.id, attributes);
        Ok(created)
    }

    /// The driver's name.
    fn check_network(&self, spec: &NetworkSpec) -> Result<String, EngineError> {
        if spec.name.trim().is_empty() || spec.name.contains(['/', '\0', '\n']) {
            return Err(EngineError::InvalidNetworkName(spec.name.clone()));
        }
        if spec.families.is_empty() {
            return Err(EngineError::NoFamily);
        }
        let driver = match spec.driver.as_str() {
            "" | "default" => "bridge",
            single @ ("host" | "null" | "none") => {
                return Err(EngineError::SingleNetwork(single.to_owned()));
            }
            other => other,
        };
        if !self.networks.drivers.contains_key(driver) {
            return Err(match driver {
                "bridge" => EngineError::NoNetworkDriver(driver.to_owned()),
                other => EngineError::NoSuchPlugin(other.to_owned()),
            });
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
            None => Ok(driver.to_owned()),
        }
    }

    /// The interface on the host: a bridge of its own or the one named, or the
    /// parent of the containers' interfaces. No two networks have the same.
    fn interface(
        &self,
        driver: &str,
        id: &str,
        chosen: Option<IfName>,
    ) -> Result<Option<IfName>, EngineError> {
        let shared = match driver {
            "macvlan" => Some("macvlan"),
            "ipvlan" => Some("ipvlan"),
            _ => None,
        };
        // Fifteen bytes are what an interface's name may have (IFNAMSIZ).
        let prefix = if shared.is_some() { "dm-" } else { "bh-" };
        let own = || IfName::new(&format!("{prefix}{}", &id[..12]));
        let name = chosen.or_else(own);
        let all = self.networks.all();
        if let Some(other) = all.iter().find(|n| n.config.interface == name) {
            return Err(EngineError::InterfaceInUse {
                network: other.record.name.clone(),
                what: if shared.is_some() {
                    "parent interface"
                } else {
                    "bridge"
                },
                interface: name.map(|n| n.to_string()).unwrap_or_default(),
            });
        }
        if let (Some(kind), Some(parent)) = (shared, &name) {
            self.runtime.check_parent(kind, parent)?;
        }
        Ok(name)
    }

    /// The subnets asked for, and one of each family that lacks it.
    fn subnets_for(
        &self,
        spec: &NetworkSpec,
        driver: &str,
    ) -> Result<(Vec<PoolRecord>, String), EngineError> {
        let all = self.networks.all();
        let mut used: Vec<Cidr> = all.iter().flat_map(|n| n.config.gateways.clone()).collect();
        let (mut pools, mut warning) = (Vec::new(), String::new());
        for asked in &spec.pools {
            let (pool, gateway) = chosen_pool(asked, &used)?;
            if !spec.families.contains(&gateway.family()) {
                warning = format!(
                    "subnet {} is not used: the network has no addresses of its family",
                    asked.subnet
                );
                continue;
            }
            let again = pools.iter().filter_map(PoolRecord::gateway);
            if driver == "bridge" && again.into_iter().any(|g| g.family() == gateway.family()) {
                return Err(EngineError::MultipleSubnets);
            }
            used.push(gateway);
            pools.push(pool);
        }
        for family in Family::BOTH {
            let of_family = |p: &PoolRecord| p.gateway().is_some_and(|g| g.family() == family);
            if spec.families.contains(&family) && !pools.iter().any(of_family) {
                let own = |p: &&DefaultPool| p.base.family() == family;
                let from: Vec<_> = self
                    .config
                    .default_pools
                    .iter()
                    .filter(own)
                    .copied()
                    .collect();
                let gateway = self.runtime.free_subnet(&used, &from)?;
                pools.push(PoolRecord {
                    gateway: gateway.to_string(),
                    ..PoolRecord::default()
                });
            }
        }
        pools.sort_by_key(|p| p.gateway().map(|g| g.family()));
        Ok((pools, warning))
    }
}

/// A subnet that the user chose, and its gateway with the subnet's prefix.
fn chosen_pool(asked: &PoolSpec, used: &[Cidr]) -> Result<(PoolRecord, Cidr), EngineError> {
    let subnet: Cidr = asked.subnet.parse().map_err(EngineError::Subnet)?;
    // The gateway and one container.
    let longest = if subnet.addr.is_ipv4() { 30 } else { 126 };
    if subnet.prefix > longest {
        return Err(EngineError::SmallSubnet(subnet));
    }
    if used.iter().any(|used| used.overlaps(&subnet)) {
        return Err(EngineError::PoolOverlaps);
    }
    let gateway = gateway(asked, subnet)?;
    let range = match asked.range.as_str() {
        "" => None,
        text => Some(text.parse::<Cidr>().map_err(EngineError::Subnet)?),
    };
    if let Some(range) = range
        && (range.prefix < subnet.prefix || !subnet.contains(range.addr))
    {
        return Err(EngineError::RangeOutsideSubnet { range, subnet });
    }
    check_auxiliary(asked, gateway)?;
    let pool = PoolRecord {
        gateway: gateway.to_string(),
        range: range.map(|r| r.to_string()),
        auxiliary: asked.auxiliary.clone(),
        chosen: true,
    };
    Ok((pool, gateway))
}

fn gateway(pool: &PoolSpec, subnet: Cidr) -> Result<Cidr, EngineError> {
    let addr = match (pool.gateway.as_str(), subnet.network()) {
        ("", IpAddr::V4(first)) => IpAddr::V4((first.to_bits() + 1).into()),
        ("", IpAddr::V6(first)) => IpAddr::V6((first.to_bits() + 1).into()),
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

/// Each is an address of the subnet that nobody has; Docker's words.
fn check_auxiliary(asked: &PoolSpec, gateway: Cidr) -> Result<(), EngineError> {
    let mut taken = BTreeSet::from([gateway.addr]);
    for (name, address) in &asked.auxiliary {
        let refuse = |why| EngineError::AuxiliaryAddress {
            name: name.clone(),
            address: address.clone(),
            why,
        };
        let addr = address.parse().map_err(|_| refuse("invalid IP address"))?;
        if !gateway.contains(addr) {
            return Err(refuse("Requested address is out of range"));
        }
        if !taken.insert(addr) {
            return Err(refuse("Address already in use"));
        }
    }
    Ok(())
}
