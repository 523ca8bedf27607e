//! `bulkhead rm`

use bulkhead_api::query::RemoveQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct RmArgs {
    /// Kill a running container first, and don't mind a missing one
    #[arg(short, long)]
    force: bool,
    /// Remove a link, not the container
    #[arg(short, long)]
    link: bool,
    /// Remove the container's anonymous volumes, too
    #[arg(short, long)]
    volumes: bool,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &RmArgs) -> Result<u8> {
    let query = RemoveQuery {
        volumes: args.volumes,
        force: args.force,
        link: args.link,
    };
    let mut code = 0;
    for name in &args.containers {
        let call = Call::new(Route::ContainerRemove(name.clone())).params(&query);
        match client.run(call).await {
            Ok(()) => print(format_args!("{name}\n"))?,
            Err(error) => {
                crate::output::complain(&error);
                if !(args.force && error.is_not_found()) {
                    code = 1;
                }
            }
        }
    }
    Ok(code)
}
