//! `bulkhead network ls`

use bulkhead_api::network::Network;
use bulkhead_api::query::FiltersQuery;
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{Format, Heading, label_list, moment, print, row, short_id, show};
use crate::template::Row;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct LsArgs {
    /// Only what matches (driver=bridge, label=NAME, name=NAME, type=custom, ...)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// table, raw, json, or text with {{.Name}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network ids
    #[arg(short, long)]
    quiet: bool,
}

/// `--format raw`, as docker has it.
const RAW: &str = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
const RAW_QUIET: &str = "network_id: {{.ID}}";

const HEADINGS: &[Heading] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

pub(crate) async fn execute(client: &Client, args: &LsArgs) -> Result<u8> {
    let raw = if args.quiet { RAW_QUIET } else { RAW };
    let form = match args.quiet {
        true => args.format.clone().unwrap_or_default(),
        false => client
            .config()
            .option("networksFormat", args.format.as_deref())?,
    };
    let format = Format::parse_or_raw(Some(&form), raw)?;
    let query = FiltersQuery {
        filters: filters(&args.filter),
    };
    let mut networks: Vec<Network> = client
        .json(Call::new(Route::NetworkList).params(&query))
        .await?;
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    if args.quiet && format == Format::Table {
        let ids: String = networks
            .iter()
            .map(|network| args.id(network) + "\n")
            .collect();
        print(ids)?;
        return Ok(0);
    }
    let rows: Vec<Row> = networks
        .iter()
        .map(|network| args.fields(network))
        .collect();
    show(&rows, &format, HEADINGS, &["ID", "Name", "Driver", "Scope"])?;
    Ok(0)
}

impl LsArgs {
    fn id(&self, network: &Network) -> String {
        match self.no_trunc {
            true => network.id.clone(),
            false => short_id(&network.id),
        }
    }

    fn fields(&self, network: &Network) -> Row {
        let fields = json!({
            "CreatedAt": moment(&network.created),
            "Driver": network.driver,
            "ID": self.id(network),
            "IPv4": network.enable_ipv4.unwrap_or_default().to_string(),
            "IPv6": network.enable_ipv6.to_string(),
            "Internal": network.internal.to_string(),
            "Labels": label_list(&network.labels),
            "Name": network.name,
            "Scope": network.scope,
        });
        row(fields, network.labels.clone())
    }
}
