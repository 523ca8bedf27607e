//! `bulkhead rename`

use bulkhead_api::query::RenameQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER NEW_NAME")]
pub(crate) struct RenameArgs {
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    #[arg(value_name = "NEW_NAME", hide = true)]
    new_name: String,
}

pub(crate) async fn execute(client: &Client, args: &RenameArgs) -> Result<u8> {
    let (old, new) = (args.container.trim(), args.new_name.trim());
    if old.is_empty() || new.is_empty() {
        return Err(Error::Option(
            "Error: Neither old nor new names may be empty".into(),
        ));
    }
    let call = Call::new(Route::ContainerRename(old.to_owned())).params(&RenameQuery {
        name: new.to_owned(),
    });
    client.run(call).await?;
    Ok(0)
}
