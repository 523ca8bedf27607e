//! `bulkhead volume`: a file per verb.

mod create;
pub(crate) mod ls;
mod prune;
mod rm;

use clap::{Args, Subcommand};

use super::inspect::{self, Kind};
use crate::client::Client;
use crate::error::Result;

/// What stands after `volume`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Create a volume
    Create(create::CreateArgs),
    /// Display detailed information on one or more volumes
    Inspect(InspectArgs),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    /// Remove unused local volumes
    Prune(prune::PruneArgs),
    /// Remove one or more volumes
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
}

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] VOLUME [VOLUME...]")]
pub(crate) struct InspectArgs {
    /// json, or text with {{.Mountpoint}} and the like
    #[arg(short, long)]
    format: Option<String>,
    #[arg(value_name = "VOLUME", required = true, hide = true)]
    names: Vec<String>,
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Create(args) => create::execute(client, args).await,
            Management::Inspect(args) => {
                inspect::of_kind(client, Kind::Volume, args.format.as_deref(), &args.names).await
            }
            Management::Ls(args) => ls::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
            Management::Rm(args) => rm::execute(client, args).await,
        }
    }
}
