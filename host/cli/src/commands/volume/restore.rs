//! `bulkhead volume restore`

use std::io::{self, IsTerminal};

use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client, pieces_of};
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] VOLUME")]
pub(crate) struct RestoreArgs {
    /// Read from a tar archive, compressed or not, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,
    #[arg(value_name = "VOLUME", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &RestoreArgs) -> Result<u8> {
    let pieces = match &args.input {
        Some(path) => pieces_of(std::fs::File::open(path).map_err(|source| Error::Open {
            path: path.clone(),
            source,
        })?),
        None if io::stdin().is_terminal() => {
            return Err(Error::Conflict(
                "requested restore from stdin, but stdin is a terminal. Use the -i flag or redirect",
            ));
        }
        None => pieces_of(io::stdin()),
    };
    let call = Call::new(Route::VolumeRestore(args.name.clone()));
    client.upload(&call, pieces).await?;
    print(format_args!("{}\n", args.name))?;
    Ok(0)
}
