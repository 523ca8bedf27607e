//! `bulkhead volume rm`

use bulkhead_api::query::VolumeRemoveQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::each;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] VOLUME [VOLUME...]")]
pub(crate) struct RmArgs {
    /// Don't mind missing volumes
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "VOLUME", required = true, hide = true)]
    names: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &RmArgs) -> Result<u8> {
    let query = VolumeRemoveQuery { force: args.force };
    each(&args.names, async |name| {
        let call = Call::new(Route::VolumeRemove(name.to_owned())).params(&query);
        client.run(call).await
    })
    .await
}
