//! What the driver decides. Option names, rules and words are Docker's.

use std::collections::BTreeMap;

use bulkhead_plugin_api::volume::{Txn, VolumeDriver};
use bulkhead_plugin_api::{Code, Error, Result, size};

const TYPE: &str = "type";
const DEVICE: &str = "device";
const OPTIONS: &str = "o";
const SIZE: &str = "size";

/// The driver.
pub(crate) struct Local;

impl VolumeDriver for Local {
    fn lay_out<T: Txn>(txn: &T) -> Result<()> {
        let options = txn.options();
        check(&options)?;
        if let Some(text) = options.get(SIZE) {
            limit(txn, text)?;
        }
        let Some(device) = options.get(DEVICE) else {
            return Ok(());
        };
        let fstype = options.get(TYPE).map_or("none", String::as_str);
        let words = options.get(OPTIONS).map_or("", String::as_str);
        let words: Vec<&str> = words.split(',').filter(|w| !w.is_empty()).collect();
        if words.iter().any(|w| matches!(*w, "bind" | "rbind")) {
            txn.bind(device, &words)
        } else {
            txn.mount(fstype, device, &words)
        }
    }
}

fn check(options: &BTreeMap<String, String>) -> Result<()> {
    let known = |name: &&String| [TYPE, DEVICE, OPTIONS, SIZE].contains(&name.as_str());
    if let Some(name) = options.keys().find(|name| !known(name)) {
        return Err(Error::invalid(format!("invalid option: {name:?}")));
    }
    let needs: [(&str, &[&str]); 3] = [
        (DEVICE, &[TYPE]),
        (TYPE, &[DEVICE]),
        (OPTIONS, &[DEVICE, TYPE]),
    ];
    for (given, needed) in needs {
        let missing = |name: &&&str| !options.contains_key(**name);
        if options.contains_key(given)
            && let Some(name) = needed.iter().find(missing)
        {
            return Err(Error::invalid(format!("missing required option: {name:?}")));
        }
    }
    Ok(())
}

fn limit<T: Txn>(txn: &T, text: &str) -> Result<()> {
    let bytes = size::parse(text).filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or_else(|| Error::invalid(format!("invalid size: {text:?}")))?;
    if !txn.facts().iter().any(|fact| fact == "quota") {
        return Err(Error::new(
            Code::Unsupported,
            "quota size requested but no quota support: option size needs \
             a data root on XFS or ext4 mounted with 'prjquota'",
        ));
    }
    txn.limit(bytes)
}

#[cfg(test)]
mod tests;
