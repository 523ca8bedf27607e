//! `bulkhead volume update`

use bulkhead_api::route::Route;
use bulkhead_api::volume::VolumeUpdateRequest;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::flags::label_map;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] VOLUME")]
pub(crate) struct UpdateArgs {
    /// Set or change a label
    #[arg(long, value_name = "NAME=VALUE")]
    label_add: Vec<String>,
    /// Remove a label
    #[arg(long, value_name = "NAME")]
    label_rm: Vec<String>,
    #[arg(value_name = "VOLUME", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &UpdateArgs) -> Result<u8> {
    let request = VolumeUpdateRequest {
        labels: label_map(&[], &args.label_add)?,
        remove_labels: args.label_rm.clone(),
        spec: None,
    };
    if request.labels.is_empty() && request.remove_labels.is_empty() {
        return Err(Error::Option(
            "nothing to change: give --label-add or --label-rm".into(),
        ));
    }
    let call = Call::new(Route::VolumeUpdate(args.name.clone())).json(&request);
    client.run(call).await?;
    print(format_args!("{}\n", args.name))?;
    Ok(0)
}
