//! What belongs to no object.

use super::Method::{self, Get, Head, Post};
use super::{Route, before};

pub(super) fn find(method: Method, object: &str, rest: &str) -> Option<Route> {
    match (method, object, rest) {
        (Get | Head, "_ping", "") => Some(Route::Ping),
        (Get, "version", "") => Some(Route::Version),
        (Get, "info", "") => Some(Route::Info),
        (Get, "events", "") => Some(Route::Events),
        (Get, "system", "df") => Some(Route::DiskUsage),
        (Post, "system", "check") => Some(Route::SystemCheck),
        (Get, "system", "firewall") => Some(Route::SystemFirewall),
        (Post, "auth", "") => Some(Route::Auth),
        (Post, "commit", "") => Some(Route::Commit),
        (Get, "distribution", _) => before(rest, "/json")
            .map(Route::DistributionInspect)
            .or_else(|| before(rest, "/manifest").map(Route::DistributionManifest))
            .or_else(|| before(rest, "/referrers").map(Route::DistributionReferrers)),
        (Post, "build", "prune") => Some(Route::BuildPrune),
        (Get, "plugins", "") => Some(Route::PluginList),
        (Get, "plugins", _) => before(rest, "/json").map(Route::PluginInspect),
        (_, "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", _) => {
            Some(Route::Swarm)
        }
        _ => None,
    }
}
