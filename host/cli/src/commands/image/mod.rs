//! `bulkhead image`: a file per verb.

pub(crate) mod ls;
mod prune;
pub(crate) mod pull;
pub(crate) mod rm;

use clap::Subcommand;

use super::inspect;
use crate::client::Client;
use crate::error::Result;

/// What stands after `image`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Display detailed information on one or more images
    Inspect(inspect::ImageInspectArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(ls::ImagesArgs),
    /// Remove unused images
    Prune(prune::PruneArgs),
    /// Download an image from a registry
    Pull(pull::PullArgs),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(rm::RmiArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Inspect(args) => inspect::images(client, args).await,
            Management::Ls(args) => ls::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
            Management::Pull(args) => pull::execute(client, args).await,
            Management::Rm(args) => rm::execute(client, args).await,
        }
    }
}
