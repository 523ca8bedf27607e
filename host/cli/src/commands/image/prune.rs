//! `bulkhead image prune`

use clap::Args;

use crate::client::Client;
use crate::commands::prune::{self, PruneFlags};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PruneArgs {
    /// Remove all images without a container, not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    flags: PruneFlags,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    let warning = match args.all {
        true => {
            "WARNING! This will remove all images without at least one container associated to them."
        }
        false => "WARNING! This will remove all dangling images.",
    };
    if args.flags.agreed(warning)? {
        let pruned = prune::images(client, args.flags.filters(), args.all).await?;
        prune::print_reclaimed(pruned.show()?)?;
    }
    Ok(0)
}
