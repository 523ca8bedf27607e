//! `bulkhead unpause`

use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::each;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER [CONTAINER...]")]
pub(crate) struct UnpauseArgs {
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &UnpauseArgs) -> Result<u8> {
    each(&args.containers, async |name| {
        client
            .run(Call::new(Route::ContainerUnpause(name.to_owned())))
            .await
    })
    .await
}
