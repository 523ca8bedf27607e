//! `bulkhead container prune`

use bulkhead_api::route::Method;
use clap::Args;
use serde::Deserialize;

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

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Pruned {
    containers_deleted: Option<Vec<String>>,
    space_reclaimed: i64,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    const WARNING: &str = "WARNING! This will remove all stopped containers.";
    if !args.force && !confirm(WARNING)? {
        return Ok(0);
    }
    let call = Call::at(Method::Post, &["containers", "prune"]).filters(&filters(&args.filter));
    let pruned: Pruned = client.json(call).await?;
    let deleted = pruned.containers_deleted.unwrap_or_default();
    if !deleted.is_empty() {
        print(format_args!(
            "Deleted Containers:\n{}\n\n",
            deleted.join("\n")
        ))?;
    }
    print(format_args!(
        "Total reclaimed space: {}\n",
        decimal_size(pruned.space_reclaimed, 4)
    ))?;
    Ok(0)
}
