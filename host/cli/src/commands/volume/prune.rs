//! `bulkhead volume prune`

use clap::Args;

use crate::client::Client;
use crate::commands::prune::{self, PruneFlags};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PruneArgs {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    flags: PruneFlags,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    let warning = match args.all {
        true => "WARNING! This will remove all local volumes not used by at least one container.",
        false => {
            "WARNING! This will remove anonymous local volumes not used by at least one container."
        }
    };
    if args.flags.agreed(warning)? {
        let mut filters = args.flags.filters();
        if args.all {
            filters.add("all", "true");
        }
        let pruned = prune::volumes(client, filters).await?;
        prune::print_reclaimed(pruned.show()?)?;
    }
    Ok(0)
}
