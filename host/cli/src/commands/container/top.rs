//! `bulkhead top`

use bulkhead_api::container::TopResponse;
use bulkhead_api::query::TopQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Table, print};

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER [ps OPTIONS]")]
pub(crate) struct TopArgs {
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    #[arg(
        value_name = "ps OPTIONS",
        hide = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    options: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &TopArgs) -> Result<u8> {
    let query = TopQuery {
        ps_args: args.options.join(" "),
    };
    let call = Call::new(Route::ContainerTop(args.container.clone())).params(&query);
    let answer: TopResponse = client.json(call).await?;
    let titles: Vec<&str> = answer.titles.iter().map(String::as_str).collect();
    let mut table = Table::processes(&titles);
    for mut row in answer.processes {
        row.resize(titles.len(), String::new());
        table.row(row);
    }
    print(table)?;
    Ok(0)
}
