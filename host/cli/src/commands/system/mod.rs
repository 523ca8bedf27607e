//! `bulkhead system`: a file per verb.

mod check;
mod df;
mod dial_stdio;
pub(crate) mod events;
pub(crate) mod info;
mod prune;

use clap::Subcommand;

use crate::client::Client;
use crate::error::Result;

/// What stands after `system`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Compare what is recorded with what is stored
    Check(check::CheckArgs),
    /// Show how much of the disk is used
    Df(df::DfArgs),
    /// Pass the daemon's socket on over standard input and output
    #[command(hide = true)]
    DialStdio(dial_stdio::DialArgs),
    /// Get real time events from the daemon
    Events(events::EventsArgs),
    /// Display system-wide information
    Info(info::InfoArgs),
    /// Remove unused data
    Prune(prune::PruneArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Check(args) => check::execute(client, args).await,
            Management::Df(args) => df::execute(client, args).await,
            Management::DialStdio(_) => dial_stdio::execute(client).await,
            Management::Events(args) => events::execute(client, args).await,
            Management::Info(args) => info::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
        }
    }
}
