//! `bulkhead volume create`

use bulkhead_api::route::Route;
use bulkhead_api::volume::{Volume, VolumeCreateRequest};
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::flags::label_map;
use crate::options::option_map;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] [VOLUME]")]
pub(crate) struct CreateArgs {
    /// The driver of the volume
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set labels on the volume
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Set options of the driver
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    opt: Vec<String>,
    #[arg(value_name = "VOLUME", hide = true)]
    name: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &CreateArgs) -> Result<u8> {
    let request = VolumeCreateRequest {
        name: args.name.clone().unwrap_or_default(),
        driver: args.driver.clone(),
        driver_opts: option_map(&args.opt),
        labels: Some(label_map(&[], &args.label)?).filter(|labels| !labels.is_empty()),
    };
    let volume: Volume = client
        .json(Call::new(Route::VolumeCreate).json(&request))
        .await?;
    print(format_args!("{}\n", volume.name))?;
    Ok(0)
}
