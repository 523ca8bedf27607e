//! `bulkhead restart`

use bulkhead_api::route::Route;

use super::stop::StopArgs;
use crate::client::{Call, Client};
use crate::commands::each;
use crate::error::Result;

pub(crate) async fn execute(client: &Client, args: &StopArgs) -> Result<u8> {
    let query = args.query();
    each(&args.containers, async |name| {
        client
            .run(Call::new(Route::ContainerRestart(name.to_owned())).params(&query))
            .await
    })
    .await
}
