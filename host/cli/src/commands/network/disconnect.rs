//! `bulkhead network disconnect`

use bulkhead_api::network::NetworkDisconnectRequest;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NETWORK CONTAINER")]
pub(crate) struct DisconnectArgs {
    /// Disconnect even if the network cannot be told
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK", hide = true)]
    network: String,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &DisconnectArgs) -> Result<u8> {
    let request = NetworkDisconnectRequest {
        container: args.container.clone(),
        force: args.force,
    };
    let call = Call::new(Route::NetworkDisconnect(args.network.clone())).json(&request);
    client.run(call).await?;
    Ok(0)
}
