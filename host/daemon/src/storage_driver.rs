//! Which storage driver the daemon uses, and what was set for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use bulkhead_engine::ready::make_ready;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::error::message;
use bulkhead_model::size;
use bulkhead_runtime::Runtime;
use bulkhead_store::{Durability, Store};

use crate::config::Pair;

/// Chooses by itself.
pub const AUTO: &str = "auto";

/// What `auto` tries, best first.
const PREFERRED: [&str; 4] = ["overlay", "btrfs", "devmapper", "vfs"];

/// Docker's prefixes of options whose driver has another name here.
const ALIASES: [(&str, &str); 2] = [("dm", "devmapper"), ("overlay2", "overlay")];

/// Names and values by driver.
pub type ByDriver = BTreeMap<String, Vec<(String, String)>>;

type Drivers = BTreeMap<String, Arc<dyn StorageDriver>>;

/// `--storage-opt`s, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageOptions {
    /// `size`: bytes of containers that ask for none.
    pub size: Option<u64>,
    /// `driver.name`
    pub of_drivers: ByDriver,
}

impl StorageOptions {
    /// Sorts options by driver.
    ///
    /// # Errors
    /// A name without a driver, or a size that is none, as people read it.
    pub fn parse(options: &[Pair]) -> Result<Self, String> {
        let mut sorted = Self::default();
        for Pair(name, value) in options {
            if name == "size" {
                let size = size::parse(value).ok_or_else(|| format!("invalid size: '{value}'"))?;
                sorted.size = Some(size);
                continue;
            }
            let (driver, option) = name
                .split_once('.')
                .ok_or_else(|| format!("unknown option {name}: expected size or DRIVER.NAME"))?;
            let alias = ALIASES.iter().find(|(alias, _)| *alias == driver);
            let driver = alias.map_or(driver, |(_, driver)| driver);
            let of_driver = sorted.of_drivers.entry(driver.to_owned()).or_default();
            of_driver.push((option.to_owned(), value.clone()));
        }
        Ok(sorted)
    }
}

/// The driver for containers that name none: the one asked for, or with
/// [`AUTO`] the one of last time or else the best that works here.
///
/// # Errors
/// There is no such driver, or it cannot work here; the reasons are told.
pub fn choose(
    wanted: &str,
    options: &ByDriver,
    drivers: &Drivers,
    runtime: &Runtime,
    store: &Store,
) -> anyhow::Result<String> {
    if let Some(stranger) = options.keys().find(|name| !drivers.contains_key(*name)) {
        let known = names(drivers);
        bail!(
            "storage-opts: no plugin provides the storage driver \"{stranger}\": there are [{known}]"
        );
    }
    let last = store.plugin_value(OWNER, KEY)?;
    let last = last.and_then(|bytes| String::from_utf8(bytes).ok());
    let chosen = match wanted {
        AUTO => best(last.as_deref(), drivers, runtime)?,
        name => asked_for(name, drivers, runtime)?,
    };
    tell_of_switch(last.as_deref(), &chosen, store);
    let kept = [(KEY, Some(chosen.as_bytes()))];
    store.put_plugin_values(OWNER, &kept, Durability::Crash)?;
    Ok(chosen)
}

const OWNER: &str = "storage driver";
const KEY: &str = "last";

fn names(drivers: &Drivers) -> String {
    drivers.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn asked_for(name: &str, drivers: &Drivers, runtime: &Runtime) -> anyhow::Result<String> {
    let Some(driver) = drivers.get(name) else {
        bail!(
            "no plugin provides the storage driver \"{name}\": there are [{}]; choose one with --storage-driver or add a plugin folder with --plugin-dir",
            names(drivers)
        );
    };
    make_ready(runtime, &**driver)
        .with_context(|| format!("the storage driver \"{name}\" cannot be used here"))?;
    Ok(name.to_owned())
}

/// The one of last time first, so that images need not be laid out again.
fn best(last: Option<&str>, drivers: &Drivers, runtime: &Runtime) -> anyhow::Result<String> {
    let others = PREFERRED.into_iter().filter(|name| Some(*name) != last);
    let mut reasons = Vec::new();
    for name in last.into_iter().chain(others) {
        let Some(driver) = drivers.get(name) else {
            continue;
        };
        match make_ready(runtime, &**driver) {
            Ok(()) => {
                let why = match last == Some(name) {
                    true => "it was used last time",
                    false => "it is the best that works here",
                };
                tracing::info!(driver = name, "storage driver chosen: {why}");
                return Ok(name.to_owned());
            }
            Err(error) => {
                let why = message(&error);
                tracing::info!(driver = name, "storage driver not chosen: {why}");
                reasons.push(format!("{name}: {why}"));
            }
        }
    }
    bail!("no storage driver can be used here: {}", reasons.join("; "))
}

fn tell_of_switch(last: Option<&str>, chosen: &str, store: &Store) {
    let images = store.images().map_or(0, |images| images.len());
    if let Some(last) = last.filter(|last| *last != chosen)
        && images > 0
    {
        tracing::warn!(
            images,
            "the storage driver is {chosen} now and was {last}: all images stay, and their layers are laid out again when they are needed; containers that were made on {last} stay there"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(texts: &[&str]) -> Result<StorageOptions, String> {
        let pairs: Vec<Pair> = texts.iter().map(|text| text.parse().unwrap()).collect();
        StorageOptions::parse(&pairs)
    }

    #[test]
    fn options_are_sorted_by_driver_under_dockers_names_too() {
        let sorted = options(&[
            "size=10G",
            "dm.basesize=1G",
            "btrfs.min_space=1",
            "dm.fs=xfs",
        ]);
        let sorted = sorted.unwrap();
        assert_eq!(sorted.size, Some(10 << 30));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let of = &sorted.of_drivers;
        assert_eq!(of["btrfs"], [pair("min_space", "1")]);
        assert_eq!(of["devmapper"], [pair("basesize", "1G"), pair("fs", "xfs")]);
    }

    #[test]
    fn options_of_no_driver_are_refused() {
        for (bad, said) in [("nonsense=1", "nonsense"), ("size=much", "much")] {
            let refused = options(&[bad]).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
