//! `bulkhead import`

use std::io;

use bulkhead_api::query::ImageCreateQuery;
use bulkhead_api::route::Route;
use clap::Args;

use super::{load, pull};
use crate::client::{Call, Client, pieces_of};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]")]
pub(crate) struct ImportArgs {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Set platform if server is multi-platform capable (os/arch[/variant])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "SOURCE", hide = true)]
    source: String,
    #[arg(value_name = "REPOSITORY[:TAG]", hide = true)]
    name: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &ImportArgs) -> Result<u8> {
    if let Some(name) = &args.name {
        pull::reference(name)?;
    }
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| args.source.starts_with(scheme));
    let query = ImageCreateQuery {
        from_src: if is_url { &args.source } else { "-" }.to_owned(),
        repo: args.name.clone().unwrap_or_default(),
        message: args.message.clone(),
        changes: args.change.clone(),
        platform: args.platform.clone(),
        ..ImageCreateQuery::default()
    };
    let call = Call::new(Route::ImageCreate).params(&query);
    let answer = match args.source.as_str() {
        _ if is_url => client.stream(call).await?,
        "-" => {
            client
                .upload_and_stream(&call, pieces_of(io::stdin()))
                .await?
        }
        path => {
            let archive = pieces_of(load::open(path)?);
            client.upload_and_stream(&call, archive).await?
        }
    };
    pull::show_on_stdout(answer, false).await?;
    Ok(0)
}
