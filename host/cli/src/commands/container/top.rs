//! `bulkhead top`

use bulkhead_api::route::Method;
use clap::Args;
use serde::Deserialize;

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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Processes {
    titles: Vec<String>,
    processes: Option<Vec<Vec<String>>>,
}

pub(crate) async fn execute(client: &Client, args: &TopArgs) -> Result<u8> {
    let call = Call::at(Method::Get, &["containers", &args.container, "top"])
        .query("ps_args", args.options.join(" "));
    let answer: Processes = client.json(call).await?;
    let titles: Vec<&str> = answer.titles.iter().map(String::as_str).collect();
    let mut table = Table::processes(&titles);
    for mut row in answer.processes.unwrap_or_default() {
        row.resize(titles.len(), String::new());
        table.row(row);
    }
    print(table)?;
    Ok(0)
}
