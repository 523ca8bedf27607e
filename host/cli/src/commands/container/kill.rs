//! `bulkhead kill`

use bulkhead_api::query::KillQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::each;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct KillArgs {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL", hide_default_value = true)]
    signal: String,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &KillArgs) -> Result<u8> {
    let query = KillQuery {
        signal: args.signal.clone(),
    };
    each(&args.containers, async |name| {
        client
            .run(Call::new(Route::ContainerKill(name.to_owned())).params(&query))
            .await
    })
    .await
}
