//! `plugin.toml`: who a plugin is, and what it asks for and why.
//!
//! ```toml
//! name = "storage-overlay"
//! version = "0.1.0"
//! world = "storage"              # or network, registry, volume
//! driver = "overlay"             # what users type
//! description = "…"
//!
//! [grants]                       # effects, each with its reason
//! create-dir = "a snapshot is a directory"
//!
//! [hosts]                        # registry: hosts it may speak to, with the reason
//! "{registry}" = "the registry the user named"
//!
//! [limits]                       # lower or raise the defaults, within the host's maxima
//! memory-mib = 64
//! time-ms = 10000
//! ```

use std::collections::BTreeMap;

use bulkhead_wire::World;
use serde::Deserialize;

use crate::grant::{Grant, Grants};

/// Most memory a manifest can ask for.
pub const MAX_MEMORY_MIB: u64 = 256;

/// Most time in the guest a manifest can ask for.
pub const MAX_TIME_MS: u32 = 60_000;

const DEFAULT_MEMORY_MIB: u64 = 64;
const DEFAULT_TIME_MS: u32 = 10_000;
const MAX_TEXT: usize = 400;
const MAX_HOSTS: usize = 100;

/// A checked manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The plugin's name, unique on a host.
    pub name: String,
    /// The plugin's version, shown to people.
    pub version: String,
    /// Its world.
    pub world: World,
    /// The driver's short name, unique in its world.
    pub driver: String,
    /// One line.
    pub description: String,
    /// Effects it may order.
    pub grants: Grants,
    /// Registry: host patterns with reasons.
    pub hosts: Vec<(String, String)>,
    /// Bytes of memory of a call.
    pub memory: u64,
    /// Milliseconds in the guest of a call.
    pub time_ms: u32,
}

/// The manifest is not acceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Not TOML, a key is missing or unknown, or of the wrong type.
    #[error("{0}")]
    Syntax(String),
    /// A name breaks its rule.
    #[error("{key} {value:?}: expected 1 to 64 of a-z, 0-9 and '-', the first a letter")]
    Name {
        /// The key.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// A text is empty or too long.
    #[error("{0} must have 1 to {MAX_TEXT} characters")]
    Text(String),
    /// No such world.
    #[error("world {0:?}: expected storage, network, registry or volume")]
    World(String),
    /// No such grant.
    #[error("unknown grant {grant:?}: world {world} knows {known}")]
    Grant {
        /// What it says.
        grant: String,
        /// The world.
        world: &'static str,
        /// The names it could have.
        known: String,
    },
    /// Hosts are for registry plugins.
    #[error("[hosts] is only for world registry")]
    Hosts,
    /// A host pattern breaks its rule.
    #[error("host {0:?}: expected a name, *.name, * or {{registry}}")]
    HostPattern(String),
    /// A limit beyond the host's maximum.
    #[error("{key} = {value}: expected 1 to {max}")]
    Limit {
        /// The key.
        key: &'static str,
        /// What it says.
        value: u64,
        /// The maximum.
        max: u64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    world: String,
    driver: String,
    description: String,
    #[serde(default)]
    grants: BTreeMap<String, String>,
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLimits {
    memory_mib: Option<u64>,
    time_ms: Option<u32>,
}

impl Manifest {
    /// Reads and checks the text of a `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: Raw =
            toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string().trim().into()))?;
        let world = world(&raw.world)?;
        let memory = raw.limits.memory_mib.unwrap_or(DEFAULT_MEMORY_MIB);
        let time = raw.limits.time_ms.unwrap_or(DEFAULT_TIME_MS);
        Ok(Self {
            name: name("name", raw.name)?,
            version: text_of("version", raw.version)?,
            world,
            driver: name("driver", raw.driver)?,
            description: text_of("description", raw.description)?,
            grants: grants(raw.grants, world)?,
            hosts: hosts(raw.hosts, world)?,
            memory: within("memory-mib", memory, MAX_MEMORY_MIB)? << 20,
            time_ms: within("time-ms", time.into(), MAX_TIME_MS.into())? as u32,
        })
    }
}

fn world(text: &str) -> Result<World, ManifestError> {
    let all = [
        World::Storage,
        World::Network,
        World::Registry,
        World::Volume,
    ];
    let found = all.into_iter().find(|world| world.as_str() == text);
    found.ok_or_else(|| ManifestError::World(shortened(text)))
}

fn name(key: &'static str, value: String) -> Result<String, ManifestError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let starts = value.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if starts && value.len() <= 64 && value.bytes().all(plain) {
        Ok(value)
    } else {
        let value = shortened(&value);
        Err(ManifestError::Name { key, value })
    }
}

fn text_of(key: &str, value: String) -> Result<String, ManifestError> {
    if value.trim().is_empty() || value.chars().count() > MAX_TEXT {
        return Err(ManifestError::Text(shortened(key)));
    }
    Ok(value)
}

fn grants(raw: BTreeMap<String, String>, world: World) -> Result<Grants, ManifestError> {
    let mut grants = Vec::new();
    for (name, why) in raw {
        let grant = Grant::parse(&name, world).ok_or_else(|| ManifestError::Grant {
            grant: shortened(&name),
            world: world.as_str(),
            known: Grant::names(world).join(", "),
        })?;
        grants.push((grant, text_of(&name, why)?));
    }
    Ok(Grants::new(grants))
}

fn hosts(
    raw: BTreeMap<String, String>,
    world: World,
) -> Result<Vec<(String, String)>, ManifestError> {
    if !raw.is_empty() && world != World::Registry {
        return Err(ManifestError::Hosts);
    }
    within("hosts", raw.len() as u64 + 1, MAX_HOSTS as u64)?;
    let mut hosts = Vec::new();
    for (pattern, why) in raw {
        if !is_host_pattern(&pattern) {
            return Err(ManifestError::HostPattern(shortened(&pattern)));
        }
        let why = text_of(&pattern, why)?;
        hosts.push((pattern, why));
    }
    Ok(hosts)
}

fn is_host_pattern(pattern: &str) -> bool {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    matches!(pattern, "*" | "{registry}")
        || ((1..=253).contains(&name.len()) && name.bytes().all(plain))
}

fn within(key: &'static str, value: u64, max: u64) -> Result<u64, ManifestError> {
    if (1..=max).contains(&value) {
        Ok(value)
    } else {
        Err(ManifestError::Limit { key, value, max })
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
