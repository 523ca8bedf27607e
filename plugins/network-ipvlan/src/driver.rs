//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Error, Result, log};

const INNER: &str = "eth0";
const MODES: [&str; 3] = ["l2", "l3", "l3s"];
const REACHES: [&str; 3] = ["bridge", "private", "vepa"];

/// The driver.
pub(crate) struct Ipvlan;

impl NetworkDriver for Ipvlan {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let parent = txn
            .interface_name()
            .ok_or_else(|| Error::invalid(format!("network {} has no parent", txn.network())))?;
        let mode = one_of(txn, "ipvlan_mode", &MODES)?;
        let reach = one_of(txn, "ipvlan_flag", &REACHES)?;
        if !txn.ports()?.is_empty() {
            // Docker's behaviour: nothing stands between the container and its neighbours.
            log::warn("published ports are ignored: an ipvlan is reached at its own address");
        }
        txn.ipvlan(INNER, &parent, &mode, &reach, txn.mtu())?;
        for gateway in txn.gateways()? {
            txn.address(INNER, txn.lease_address(gateway)?)?;
            // Above layer 2 there are no neighbours, and so no router to name.
            let router = (mode == "l2").then_some(gateway.address);
            txn.route(gateway.any(), router)?;
        }
        Ok(())
    }
}

/// The option's value; the first of `words` when it is not given.
fn one_of<T: Txn>(txn: &T, option: &str, words: &[&str]) -> Result<String> {
    let given = txn.option(option).filter(|word| !word.is_empty());
    let word = given.unwrap_or_else(|| words[0].to_owned());
    match words.contains(&word.as_str()) {
        true => Ok(word),
        false => Err(Error::invalid(format!(
            "{option} is {word:?}: expected one of {}",
            words.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests;
