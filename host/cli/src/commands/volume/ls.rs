//! `bulkhead volume ls`

use bulkhead_api::query::FiltersQuery;
use bulkhead_api::route::Route;
use bulkhead_api::volume::{Volume, VolumeList};
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{Format, Heading, decimal_size, label_list, print, row, show};
use crate::template::Row;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct LsArgs {
    /// Only what matches (dangling=true, driver=local, label=NAME, name=NAME)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// table, raw, json, or text with {{.Name}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

/// `--format raw`, as docker has it.
const RAW: &str = "name: {{.Name}}\ndriver: {{.Driver}}\n";
const RAW_QUIET: &str = "name: {{.Name}}";

pub(crate) const HEADINGS: &[Heading] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
];

/// Those of `system df -v`.
pub(crate) const USAGE_COLUMNS: &[&str] = &["Name", "Links", "Size"];

pub(crate) async fn execute(client: &Client, args: &LsArgs) -> Result<u8> {
    let raw = if args.quiet { RAW_QUIET } else { RAW };
    let form = match args.quiet {
        true => args.format.clone().unwrap_or_default(),
        false => client
            .config()
            .option("volumesFormat", args.format.as_deref())?,
    };
    let format = Format::parse_or_raw(Some(&form), raw)?;
    let query = FiltersQuery {
        filters: filters(&args.filter),
    };
    let mut list: VolumeList = client
        .json(Call::new(Route::VolumeList).params(&query))
        .await?;
    list.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    if args.quiet && format == Format::Table {
        let names: String = list.volumes.iter().map(|v| v.name.clone() + "\n").collect();
        print(names)?;
        return Ok(0);
    }
    show(&rows(&list.volumes), &format, HEADINGS, &["Driver", "Name"])?;
    Ok(0)
}

/// A row for each volume.
pub(crate) fn rows(volumes: &[Volume]) -> Vec<Row> {
    volumes.iter().map(fields).collect()
}

fn fields(volume: &Volume) -> Row {
    let counted = volume.usage_data;
    let labels = volume.labels.clone().unwrap_or_default();
    let fields = json!({
        "Availability": "N/A",
        "Driver": volume.driver,
        "Group": "N/A",
        "Labels": label_list(&labels),
        "Links": counted.map_or("N/A".to_owned(), |usage| usage.ref_count.to_string()),
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Scope": volume.scope,
        "Size": counted.map_or("N/A".to_owned(), |usage| decimal_size(usage.size, 4)),
        "Status": "N/A",
    });
    row(fields, labels)
}
