//! `bulkhead container prune`

use bulkhead_api::query::FiltersQuery;
use bulkhead_api::route::Route;
use bulkhead_api::usage::ContainersPruned;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{decimal_size, print};
use crate::prompt::confirm;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PruneArgs {
    /// Only what matches (label=NAME[=VALUE], until=TIME)
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    const WARNING: &str = "WARNING! This will remove all stopped containers.";
    if !args.force && !confirm(WARNING)? {
        return Ok(0);
    }
    let query = FiltersQuery {
        filters: filters(&args.filter),
    };
    let call = Call::new(Route::ContainerPrune).params(&query);
    let pruned: ContainersPruned = client.json(call).await?;
    let deleted = pruned.containers_deleted;
    if !deleted.is_empty() {
        print(format_args!(
            "Deleted Containers:\n{}\n\n",
            deleted.join("\n")
        ))?;
    }
    print(format_args!(
        "Total reclaimed space: {}\n",
        decimal_size(pruned.space_reclaimed.cast_signed(), 4)
    ))?;
    Ok(0)
}
