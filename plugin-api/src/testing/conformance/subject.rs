//! A driver as the suite calls it.

use std::marker::PhantomData;

use crate::Result;
use crate::storage::{StorageDriver, Usage};
use crate::testing::{FakeStorageHost, Operation};

/// A driver under test, whatever it is made of.
pub trait Subject {
    /// What it declares.
    fn features(&self) -> Vec<String>;
    /// Calls one export about the host's snapshot; the orders are the host's
    /// to keep. Only `usage` answers something.
    ///
    /// # Errors
    /// The driver's own.
    fn call(&self, host: &FakeStorageHost, operation: &Operation) -> Result<Usage>;
}

/// A driver in Rust, called directly.
pub struct Native<D>(PhantomData<D>);

impl<D> Native<D> {
    /// Nothing is called yet.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D> Default for Native<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: StorageDriver> Subject for Native<D> {
    fn features(&self) -> Vec<String> {
        D::FEATURES.iter().map(|word| (*word).to_owned()).collect()
    }

    fn call(&self, host: &FakeStorageHost, operation: &Operation) -> Result<Usage> {
        let nothing = Usage::default();
        match operation {
            Operation::Probe => D::probe(host).map(|()| nothing),
            Operation::Prepare(purpose) => D::prepare(host, *purpose).map(|()| nothing),
            Operation::Mounts(purpose) => D::mounts(host, *purpose).map(|()| nothing),
            Operation::Commit(name) => D::commit(host, name).map(|()| nothing),
            Operation::Remove => D::remove(host).map(|()| nothing),
            Operation::Usage => D::usage(host),
            Operation::Gc(live) => D::gc(host, live).map(|()| nothing),
        }
    }
}
