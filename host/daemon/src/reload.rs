//! SIGHUP: what of the configuration can change while containers run.

use std::sync::{Arc, PoisonError};

use bulkhead_engine::events::Subject;
use bulkhead_model::error::message;

use crate::config::{Flags, Settings};
use crate::daemon::Daemon;
use crate::logging::Level;

/// Directives that take effect at once.
const AT_ONCE: &[&str] = &[
    "debug",
    "default-shm-size",
    "default-ulimits",
    "dns",
    "dns-opts",
    "dns-search",
    "insecure-registries",
    "labels",
    "live-restore",
    "log-driver",
    "log-level",
    "log-opts",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "no-new-privileges",
    "registry-mirrors",
    "shutdown-timeout",
    "signature-policy",
];

/// Reads the signature policy and its keys again. One that cannot be read
/// changes nothing.
fn reload_policy(daemon: &Daemon, file: Option<&std::path::Path>) {
    let policy = file.map_or_else(
        || Ok(bulkhead_engine::signature::Policy::default()),
        crate::config::signature_policy::read,
    );
    match policy {
        Ok(policy) => daemon.engine.set_signature_policy(policy),
        Err(error) => tracing::error!(
            error = message(&error),
            "the signature policy stays as it is"
        ),
    }
}

/// Reads the configuration again. One that cannot be used changes nothing.
pub fn reload(flags: &Flags, daemon: &Daemon, level: &Level) {
    let new = match flags.settings() {
        Ok(new) => new,
        Err(error) => {
            tracing::error!(error = message(&error), "the configuration stays as it is");
            return;
        }
    };
    let old = daemon.settings();
    let (now, later) = changes(&old, &new);
    if !later.is_empty() {
        tracing::warn!(
            directives = later.join(", "),
            "these need a restart of the daemon"
        );
    }
    if let Err(error) = level.reload(new.log_level) {
        tracing::error!(%error, "changing what is logged");
    }
    daemon.engine.set_defaults(new.defaults.clone());
    daemon.engine.set_mirrors(&new.registry_mirrors);
    daemon.engine.set_transfers(new.transfers);
    reload_policy(daemon, new.signature_policy.as_deref());
    daemon
        .registries
        .set_insecure_registries(&new.insecure_registries);
    tracing::info!(changed = now.join(", "), "configuration reloaded");
    let attributes = new
        .directives
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_string()));
    let attributes: Vec<_> = attributes.collect();
    daemon.engine.events.publish(
        Subject::Daemon,
        "reload",
        &daemon.id,
        attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    );
    *daemon
        .settings
        .write()
        .unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
}

/// The names of directives that differ: those that take effect at once, and the others.
fn changes(old: &Settings, new: &Settings) -> (Vec<String>, Vec<String>) {
    let (old, new) = (&old.directives, &new.directives);
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .cloned()
        .partition(|name| AT_ONCE.contains(&name.as_str()))
}
