//! `bulkhead stop`

use bulkhead_api::query::StopQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::{already_done, each};
use crate::error::Result;

/// What `restart` takes, too.
#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct StopArgs {
    /// Signal to send to the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    signal: String,
    /// Seconds to wait before killing the container (-1 to wait for ever)
    #[arg(
        short,
        long,
        alias = "time",
        value_name = "SECONDS",
        allow_hyphen_values = true
    )]
    timeout: Option<i32>,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    pub(super) containers: Vec<String>,
}

impl StopArgs {
    pub(super) fn query(&self) -> StopQuery {
        StopQuery {
            signal: self.signal.clone(),
            timeout: self.timeout,
        }
    }
}

pub(crate) async fn execute(client: &Client, args: &StopArgs) -> Result<u8> {
    let query = args.query();
    each(&args.containers, async |name| {
        already_done(
            client
                .run(Call::new(Route::ContainerStop(name.to_owned())).params(&query))
                .await,
        )
    })
    .await
}
