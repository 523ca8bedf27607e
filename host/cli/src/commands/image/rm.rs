//! `bulkhead rmi`

use bulkhead_api::image::ImageDeleted;
use bulkhead_api::query::ImageRemoveQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] IMAGE [IMAGE...]")]
pub(crate) struct RmiArgs {
    /// Remove the image even if it has several names or stopped containers use it
    #[arg(short, long)]
    force: bool,
    /// Don't delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(value_name = "IMAGE", required = true, hide = true)]
    images: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &RmiArgs) -> Result<u8> {
    let query = ImageRemoveQuery {
        force: args.force,
        no_prune: args.no_prune,
    };
    let mut code = 0;
    for name in &args.images {
        let call = Call::new(Route::ImageRemove(name.clone())).params(&query);
        match client.json::<Vec<ImageDeleted>>(call).await {
            Ok(steps) => steps.iter().try_for_each(show)?,
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

fn show(step: &ImageDeleted) -> Result<()> {
    match step {
        ImageDeleted {
            deleted: Some(id), ..
        } => print(format_args!("Deleted: {id}\n")),
        ImageDeleted {
            untagged: Some(name),
            ..
        } => print(format_args!("Untagged: {name}\n")),
        _ => Ok(()),
    }
}
