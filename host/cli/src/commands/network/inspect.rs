//! `bulkhead network inspect`

use clap::Args;

use crate::client::Client;
use crate::commands::inspect::{self, Kind};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NETWORK [NETWORK...]")]
pub(crate) struct InspectArgs {
    /// json, or text with {{.Driver}} and the like
    #[arg(short, long)]
    format: Option<String>,
    /// Verbose output for diagnostics
    #[arg(short, long)]
    verbose: bool,
    #[arg(value_name = "NETWORK", required = true, hide = true)]
    names: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &InspectArgs) -> Result<u8> {
    let kind = match args.verbose {
        true => Kind::NetworkInDetail,
        false => Kind::Network,
    };
    inspect::of_kind(client, kind, args.format.as_deref(), &args.names).await
}
