//! `bulkhead container prune`

use clap::Args;

use crate::client::Client;
use crate::commands::prune::{self, PruneFlags};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    flags: PruneFlags,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    const WARNING: &str = "WARNING! This will remove all stopped containers.";
    if args.flags.agreed(WARNING)? {
        let pruned = prune::containers(client, args.flags.filters()).await?;
        prune::print_reclaimed(pruned.show()?)?;
    }
    Ok(0)
}
