//! The conformance suite for storage drivers: one list of cases that every
//! driver must pass, ours and others'.
//!
//! ```text
//! plans    the driver's plans, on a host in memory: needs no root
//! kernel   the plans carried out by the engine's own executor, layers applied
//!          by its unpacker, files written and read through the mounts
//! ```
//!
//! The cases of the first level are in the plugin kit
//! (`bulkhead_plugin_api::testing::conformance`), for drivers in Rust; here a
//! component goes through them in its sandbox, under the host's real checks.
//!
//! ```no_run
//! let driver = bulkhead_conformance::Component::open(
//!     "my-driver/plugin.wasm".as_ref(),
//!     None,
//!     &[],
//!     "/usr/libexec/bulkhead".as_ref(),
//! )?;
//! let report = bulkhead_conformance::run(&driver, &Default::default())?;
//! assert!(report.is_ok(), "{report}");
//! # anyhow::Ok(())
//! ```

mod component;
mod kernel;
mod plans;
mod report;

use std::path::PathBuf;

use anyhow::Result;

pub use bulkhead_plugin_api::testing::conformance::{Failure, Finding};
pub use component::Component;
pub use report::{Level, Report};

/// What to run, and where.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these cases; all when empty.
    pub cases: Vec<String>,
    /// Only the first level.
    pub plans_only: bool,
    /// A folder for the second level's files; otherwise a filesystem in
    /// memory that nobody else sees.
    pub dir: Option<PathBuf>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|case| case == name)
    }
}

/// Names and rules of all cases.
pub fn cases() -> Vec<(Level, &'static str, &'static str)> {
    let plans = bulkhead_plugin_api::testing::conformance::cases();
    let plans = plans.iter().map(|case| (Level::Plans, case.name, case.why));
    let kernel = kernel::cases();
    let kernel = kernel
        .iter()
        .map(|case| (Level::Kernel, case.name, case.why));
    plans.chain(kernel).collect()
}

/// Runs the suite against a component. The second level needs root.
///
/// # Errors
/// The suite itself could not work; what the driver did wrong is in the report.
pub fn run(component: &Component, options: &Options) -> Result<Report> {
    let mut report = Report::new(component.name());
    for finding in plans::run(component, options)? {
        report.add(Level::Plans, finding);
    }
    if !options.plans_only {
        kernel::run(component, options, &mut |finding| {
            report.add(Level::Kernel, finding);
        })?;
    }
    Ok(report)
}
