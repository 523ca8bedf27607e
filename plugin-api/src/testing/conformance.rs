//! The conformance suite for storage drivers, first half: plans against a
//! fake host, without root and without wasm. The second half, on a real
//! kernel, is `bulkhead plugin test`.
//!
//! ```
//! use bulkhead_plugin_api::Result;
//! use bulkhead_plugin_api::storage::{Dir, Purpose, StorageDriver, Txn};
//! use bulkhead_plugin_api::testing::conformance;
//!
//! struct Copying;
//!
//! impl StorageDriver for Copying {
//!     fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         let snapshot = txn.snapshot()?;
//!         txn.create_dir(&snapshot, 0o755)?;
//!         if let Some(parent) = txn.parents().first() {
//!             txn.clone_tree(parent, &snapshot)?;
//!         }
//!         txn.mount_bind(&snapshot, purpose.access())
//!     }
//!
//!     fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         let snapshot = txn.snapshot()?;
//!         if !snapshot.exists() {
//!             return Err(bulkhead_plugin_api::Error::not_found("no such snapshot"));
//!         }
//!         txn.mount_bind(&snapshot, purpose.access())
//!     }
//! }
//!
//! conformance::check::<Copying>(&[]);
//! ```

mod bench;
mod cases;
mod subject;

use std::fmt;
use std::time::{Duration, Instant};

pub use subject::{Native, Subject};

use crate::storage::StorageDriver;

/// What one case found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What should have been, and what was.
    pub message: String,
}

impl Failure {
    /// "`what`: expected `expected`, found `found`".
    pub fn new(what: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self {
            message: format!("{what}: expected {expected}, found {found}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// One case: a name, and why a driver must do so.
#[derive(Clone, Copy)]
pub struct Case {
    /// Lower-case words and hyphens, unique.
    pub name: &'static str,
    /// The rule, for somebody whose driver broke it.
    pub why: &'static str,
    run: fn(&bench::Bench<'_>) -> Result<(), Failure>,
}

/// How a case ended.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The case.
    pub name: &'static str,
    /// Its rule.
    pub why: &'static str,
    /// What was wrong, if anything.
    pub failure: Option<Failure>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            None => write!(f, "{}: ok", self.name),
            Some(failure) => write!(f, "{}: {failure} ({})", self.name, self.why),
        }
    }
}

/// All cases, in the order in which they make sense to read.
pub fn cases() -> Vec<Case> {
    cases::all()
}

/// Runs a case on a fresh host that found out `facts`.
pub fn run(case: &Case, subject: &dyn Subject, facts: &[&str]) -> Finding {
    let started = Instant::now();
    let bench = bench::Bench::new(subject, facts);
    Finding {
        name: case.name,
        why: case.why,
        failure: (case.run)(&bench).err(),
        took: started.elapsed(),
    }
}

/// Runs every case against a driver in Rust; `facts` are what the driver
/// needs to find on a host, such as "overlay".
///
/// # Panics
/// A case failed; the message names each with what was expected and why.
pub fn check<D: StorageDriver>(facts: &[&str]) {
    let subject = Native::<D>::new();
    let findings = cases()
        .iter()
        .map(|case| run(case, &subject, facts))
        .collect::<Vec<_>>();
    let failed: Vec<String> = findings
        .iter()
        .filter(|finding| finding.failure.is_some())
        .map(ToString::to_string)
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n  {}",
        failed.len(),
        findings.len(),
        failed.join("\n  ")
    );
}

#[cfg(test)]
mod tests;
