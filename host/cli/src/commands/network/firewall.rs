//! `bulkhead network firewall`

use bulkhead_api::firewall::{FirewallEntry, FirewallShown};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Table, print};

/// Something is missing, or should not be there.
const UNSOUND: u8 = 1;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct FirewallArgs {
    /// table or json
    #[arg(long, default_value = "table", value_parser = ["table", "json"])]
    format: String,
}

pub(crate) async fn execute(client: &Client, args: &FirewallArgs) -> Result<u8> {
    let shown: FirewallShown = client.json(Call::new(Route::SystemFirewall)).await?;
    if args.format == "json" {
        let text = serde_json::to_string(&shown).unwrap_or_default();
        print(format_args!("{text}\n"))?;
    } else {
        print_tables(&shown)?;
    }
    let rules = shown.rules.iter().map(|rule| &rule.state);
    let mut states = rules.chain(shown.entries.iter().map(|entry| &entry.state));
    Ok(if states.all(|state| state == "present") {
        0
    } else {
        UNSOUND
    })
}

fn print_tables(shown: &FirewallShown) -> Result<()> {
    let forwarding = if shown.forwarding { "on" } else { "off" };
    print(format_args!(
        "Table ip {}, IPv4 forwarding {forwarding}\n",
        shown.table
    ))?;
    for warning in &shown.warnings {
        print(format_args!("Warning: {warning}\n"))?;
    }
    if shown.rules.is_empty() {
        return print(format_args!("No container needs it yet\n"));
    }
    let mut rules = Table::new(&["CHAIN", "RULE", "REASON", "STATE"]);
    for rule in &shown.rules {
        rules.row(vec![
            rule.chain.clone(),
            rule.rule.clone(),
            rule.reason.clone(),
            rule.state.clone(),
        ]);
    }
    let mut entries = Table::new(&["SET", "ENTRY", "OF", "STATE"]);
    for entry in &shown.entries {
        entries.row(vec![
            entry.set.clone(),
            entry.entry.clone(),
            owner(entry),
            entry.state.clone(),
        ]);
    }
    print(format_args!("\n{rules}\n{entries}"))
}

fn owner(entry: &FirewallEntry) -> String {
    match entry.container.as_str() {
        "" => format!("network {}", entry.network),
        name => format!("container {name}"),
    }
}
