//! `bulkhead wait`

use bulkhead_api::container::WaitResponse;
use bulkhead_api::query::WaitQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER [CONTAINER...]")]
pub(crate) struct WaitArgs {
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &WaitArgs) -> Result<u8> {
    let mut code = 0;
    for name in &args.containers {
        let call = Call::new(Route::ContainerWait(name.clone())).params(&WaitQuery::default());
        match client.json::<WaitResponse>(call).await {
            Ok(WaitResponse {
                error: Some(error), ..
            }) => {
                eprintln!("{}", error.message);
                code = 1;
            }
            Ok(answer) => print(format_args!("{}\n", answer.status_code))?,
            Err(error) => {
                crate::output::complain(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}
