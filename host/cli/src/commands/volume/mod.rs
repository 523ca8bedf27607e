//! `bulkhead volume`: a file per verb.

mod backup;
mod create;
pub(crate) mod ls;
mod prune;
mod restore;
mod rm;
mod update;

use clap::{Args, Subcommand};

use super::inspect::{self, Kind};
use crate::client::Client;
use crate::error::Result;

/// What stands after `volume`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Write the files of a volume as a tar archive
    Backup(backup::BackupArgs),
    /// Create a volume
    Create(create::CreateArgs),
    /// Display detailed information on one or more volumes
    Inspect(InspectArgs),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    /// Remove unused local volumes
    Prune(prune::PruneArgs),
    /// Replace the files of a volume by those of a tar archive
    Restore(restore::RestoreArgs),
    /// Remove one or more volumes
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
    /// Change the labels of a volume
    Update(update::UpdateArgs),
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
            Management::Backup(args) => backup::execute(client, args).await,
            Management::Restore(args) => restore::execute(client, args).await,
            Management::Update(args) => update::execute(client, args).await,
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
