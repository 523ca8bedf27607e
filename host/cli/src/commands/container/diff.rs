//! `bulkhead diff`

use bulkhead_api::container::{Change, ChangeKind};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER")]
pub(crate) struct DiffArgs {
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &DiffArgs) -> Result<u8> {
    let call = Call::new(Route::ContainerChanges(args.container.clone()));
    let changes: Option<Vec<Change>> = client.json(call).await?;
    for change in changes.unwrap_or_default() {
        let letter = match change.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        print(format_args!("{letter} {}\n", change.path))?;
    }
    Ok(0)
}
