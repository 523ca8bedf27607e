//! `bulkhead system`: a file per verb.

pub(crate) mod info;

use clap::Subcommand;

use crate::client::Client;
use crate::error::Result;

/// What stands after `system`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Display system-wide information
    Info(info::InfoArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Info(args) => info::execute(client, args).await,
        }
    }
}
