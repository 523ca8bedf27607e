//! `bulkhead plugin`: for authors of drivers. No verb of these speaks to a
//! daemon.

mod test;

use clap::Subcommand;

use crate::error::Result;

/// What stands after `plugin`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Try a storage driver against the conformance suite (its own flags: bulkhead plugin test --help)
    #[command(disable_help_flag = true, override_usage = "[OPTIONS] FILE.wasm...")]
    Test(test::TestArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) fn execute(&self) -> Result<u8> {
        match self {
            Management::Test(args) => Err(test::execute(args)),
        }
    }
}
