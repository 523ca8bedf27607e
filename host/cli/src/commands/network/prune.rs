//! `bulkhead network prune`

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
    const WARNING: &str =
        "WARNING! This will remove all custom networks not used by at least one container.";
    if args.flags.agreed(WARNING)? {
        prune::networks(client, args.flags.filters())
            .await?
            .show()?;
    }
    Ok(0)
}
