//! `bulkhead save`

use bulkhead_api::query::ImageSaveQuery;
use bulkhead_api::route::Route;
use clap::Args;

use super::platform_json;
use crate::client::{Call, Client};
use crate::commands::container::export::{check, deliver};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] IMAGE [IMAGE...]")]
pub(crate) struct SaveArgs {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Save only the given platform variant (os[/arch[/variant]])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "IMAGE", required = true, hide = true)]
    images: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &SaveArgs) -> Result<u8> {
    check(args.output.as_deref(), "save image")?;
    let query = ImageSaveQuery {
        names: args.images.clone(),
        platform: platform_json(&args.platform)?,
    };
    let call = Call::new(Route::ImagesSave).params(&query);
    deliver(client.stream(call).await?, args.output.as_deref()).await
}
