//! `bulkhead network trace`

use bulkhead_api::query::TraceQuery;
use bulkhead_api::route::Route;
use bulkhead_api::trace::TraceShown;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Table, print};

/// It would not arrive.
const STOPPED: u8 = 1;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER TARGET")]
pub(crate) struct TraceArgs {
    /// table or json
    #[arg(long, default_value = "table", value_parser = ["table", "json"])]
    format: String,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    /// A name or an address, perhaps with :PORT and /udp
    #[arg(value_name = "TARGET", hide = true)]
    target: String,
}

pub(crate) async fn execute(client: &Client, args: &TraceArgs) -> Result<u8> {
    let query = TraceQuery {
        target: args.target.clone(),
    };
    let route = Route::ContainerTrace(args.container.clone());
    let traced: TraceShown = client.json(Call::new(route).params(&query)).await?;
    if args.format == "json" {
        let text = serde_json::to_string(&traced).unwrap_or_default();
        print(format_args!("{text}\n"))?;
    } else {
        let mut table = Table::new(&["AT", "", "WHY"]);
        for step in &traced.steps {
            table.row(vec![
                step.at.clone(),
                step.outcome.clone(),
                step.detail.clone(),
            ]);
        }
        print(format_args!("{table}"))?;
    }
    let stopped = traced.steps.iter().any(|step| step.outcome == "stops");
    Ok(if stopped { STOPPED } else { 0 })
}
