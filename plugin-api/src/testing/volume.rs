//! A volume host in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::volume::Txn;
use crate::{Code, Error, Result};

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeOrder {
    /// [`Txn::mount`]: type, source, options.
    Mount(String, String, Vec<String>),
    /// [`Txn::bind`]: source, options.
    Bind(String, Vec<String>),
    /// [`Txn::limit`]
    Limit(u64),
}

/// A volume host for one call.
pub struct FakeVolumeHost {
    name: String,
    options: BTreeMap<String, String>,
    quota: bool,
    orders: RefCell<Vec<VolumeOrder>>,
}

impl FakeVolumeHost {
    /// A volume with these options.
    pub fn new(name: &str, options: &[(&str, &str)]) -> Self {
        let options = options.iter();
        Self {
            name: name.to_owned(),
            options: options
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            quota: false,
            orders: RefCell::default(),
        }
    }

    /// The host can hold directories to a size.
    #[must_use]
    pub fn with_quota(mut self) -> Self {
        self.quota = true;
        self
    }

    /// Everything ordered.
    pub fn orders(&self) -> Vec<VolumeOrder> {
        self.orders.borrow().clone()
    }

    fn the_users(&self, word: &str, part: bool) -> Result<()> {
        let mut values = self.options.values();
        let given = |value: &String| value == word || (part && value.split(',').any(|p| p == word));
        if values.any(given) {
            return Ok(());
        }
        Err(Error::denied(format!("the user did not give {word:?}")))
    }

    fn order(&self, order: VolumeOrder) -> Result<()> {
        self.orders.borrow_mut().push(order);
        Ok(())
    }
}

impl Txn for FakeVolumeHost {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn options(&self) -> BTreeMap<String, String> {
        self.options.clone()
    }

    fn facts(&self) -> Vec<String> {
        self.quota.then(|| "quota".to_owned()).into_iter().collect()
    }

    fn mount(&self, fstype: &str, source: &str, options: &[&str]) -> Result<()> {
        self.the_users(fstype, false)?;
        self.the_users(source, false)?;
        for option in options {
            self.the_users(option, true)?;
        }
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        self.order(VolumeOrder::Mount(fstype.into(), source.into(), options))
    }

    fn bind(&self, source: &str, options: &[&str]) -> Result<()> {
        self.the_users(source, false)?;
        for option in options {
            self.the_users(option, true)?;
        }
        if !source.starts_with('/') {
            return Err(Error::invalid(format!(
                "{source:?} is not an absolute path"
            )));
        }
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        self.order(VolumeOrder::Bind(source.into(), options))
    }

    fn limit(&self, bytes: u64) -> Result<()> {
        if !self.quota {
            return Err(Error::new(
                Code::Unsupported,
                "the host cannot hold a directory to a size here",
            ));
        }
        self.order(VolumeOrder::Limit(bytes))
    }
}
