//! `GET /system/firewall`, which Docker does not have.

use serde::{Deserialize, Serialize};

/// The daemon's packet-filter table, as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FirewallShown {
    /// Its name; the family is `ip`.
    pub table: String,
    /// Whether the host forwards packets.
    pub forwarding: bool,
    /// What of others stands in the way, a sentence each.
    pub warnings: Vec<String>,
    /// Rules, in the order in which they are asked.
    pub rules: Vec<FirewallRule>,
    /// Elements of sets and maps.
    pub entries: Vec<FirewallEntry>,
}

/// A rule and its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FirewallRule {
    /// Its chain.
    pub chain: String,
    /// As `nft` shows it.
    pub rule: String,
    /// What it is for.
    pub reason: String,
    /// `present`, `missing` or `stale`.
    pub state: String,
}

/// An element of a set, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FirewallEntry {
    /// Its set or map.
    pub set: String,
    /// As people write it.
    pub entry: String,
    /// The network's name; empty for a container's.
    pub network: String,
    /// The container's name; empty for a network's.
    pub container: String,
    /// `present`, `missing` or `stale`.
    pub state: String,
}
