//! The glue between the contract's version 0.1.0 and the driver trait.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::{Txn, VolumeDriver};
use crate::bindings::storage::bulkhead::plugin::types;
use crate::bindings::volume::bulkhead::plugin::volume_host as wit;
use crate::bindings::volume::exports::bulkhead::plugin::volume_driver::Guest;
use crate::{Result, log};

/// A driver as the component's export; made by [`export_volume!`](crate::export_volume).
pub struct Export<D>(PhantomData<D>);

impl<D: VolumeDriver> Guest for Export<D> {
    fn features() -> Vec<String> {
        let words = D::FEATURES.iter();
        words.map(|feature| (*feature).to_owned()).collect()
    }

    fn lay_out(txn: wit::Txn) -> std::result::Result<(), types::Error> {
        log::report_panics();
        Ok(D::lay_out(&txn)?)
    }
}

impl Txn for wit::Txn {
    fn name(&self) -> String {
        wit::Txn::name(self)
    }

    fn options(&self) -> BTreeMap<String, String> {
        wit::Txn::options(self).into_iter().collect()
    }

    fn facts(&self) -> Vec<String> {
        wit::Txn::facts(self)
    }

    fn mount(&self, fstype: &str, source: &str, options: &[&str]) -> Result<()> {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        Ok(wit::Txn::mount(self, fstype, source, &options)?)
    }

    fn bind(&self, source: &str, options: &[&str]) -> Result<()> {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        Ok(wit::Txn::bind(self, source, &options)?)
    }

    fn limit(&self, bytes: u64) -> Result<()> {
        Ok(wit::Txn::limit(self, bytes)?)
    }
}
