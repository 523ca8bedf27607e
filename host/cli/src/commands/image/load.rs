//! `bulkhead load`

use std::fs::File;
use std::io::{self, IsTerminal};

use bulkhead_api::query::ImageLoadQuery;
use bulkhead_api::route::Route;
use clap::Args;

use super::{platform_json, pull};
use crate::client::{Call, Client, pieces_of};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct LoadArgs {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,
    /// Load only the given platform variant (os[/arch[/variant]])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) async fn execute(client: &Client, args: &LoadArgs) -> Result<u8> {
    let archive = match &args.input {
        Some(path) => pieces_of(open(path)?),
        None if io::stdin().is_terminal() => {
            return Err(Error::Conflict(
                "requested load from stdin, but stdin is empty",
            ));
        }
        None => pieces_of(io::stdin()),
    };
    let query = ImageLoadQuery {
        quiet: args.quiet || !io::stdout().is_terminal(),
        platform: platform_json(&args.platform)?,
    };
    let call = Call::new(Route::ImageLoad).params(&query);
    let answer = client.upload_and_stream(&call, archive).await?;
    pull::show_on_stdout(answer, false).await?;
    Ok(0)
}

/// Opens what the user named.
pub(super) fn open(path: &str) -> Result<File> {
    File::open(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })
}
