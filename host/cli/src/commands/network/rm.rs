//! `bulkhead network rm`

use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "NETWORK [NETWORK...]")]
pub(crate) struct RmArgs {
    /// Don't mind missing networks
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK", required = true, hide = true)]
    names: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &RmArgs) -> Result<u8> {
    let mut code = 0;
    for name in &args.names {
        match client
            .run(Call::new(Route::NetworkRemove(name.clone())))
            .await
        {
            Ok(()) => print(format_args!("{name}\n"))?,
            Err(error) if args.force && error.is_not_found() => {}
            Err(error) => {
                crate::output::complain(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}
