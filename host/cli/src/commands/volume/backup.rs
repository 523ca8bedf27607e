//! `bulkhead volume backup`

use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::container::export::{check, deliver};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] VOLUME")]
pub(crate) struct BackupArgs {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    #[arg(value_name = "VOLUME", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &BackupArgs) -> Result<u8> {
    check(args.output.as_deref(), "back up volume")?;
    let body = client
        .stream(Call::new(Route::VolumeBackup(args.name.clone())))
        .await?;
    deliver(body, args.output.as_deref()).await
}
