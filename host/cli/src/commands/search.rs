//! `bulkhead search`

use bulkhead_api::image::SearchResult;
use bulkhead_api::query::ImageSearchQuery;
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::credentials;
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{Format, Heading, row, show};
use crate::template::Row;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] [REGISTRY/]TERM")]
pub(crate) struct SearchArgs {
    /// Only what matches (is-official=true, stars=NUMBER)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// table, json, or text with {{.Name}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Most results
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
    /// Don't truncate descriptions
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "TERM", hide = true)]
    term: String,
}

const HEADINGS: &[Heading] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];

/// Characters of a description in the table.
const SHOWN: usize = 45;

pub(crate) async fn execute(client: &Client, args: &SearchArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    let query = ImageSearchQuery {
        term: args.term.clone(),
        limit: args.limit,
        filters: filters(&args.filter),
    };
    let registry = match args.term.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    };
    let auth = credentials::for_registry(client.config(), registry).to_header();
    let call = Call::new(Route::ImageSearch).params(&query).auth(auth);
    let found: Vec<SearchResult> = client.json(call).await?;
    let rows: Vec<Row> = found.iter().map(|f| fields(f, args.no_trunc)).collect();
    let columns = &["Name", "Description", "StarCount", "IsOfficial"];
    show(&rows, &format, HEADINGS, columns)?;
    Ok(0)
}

fn fields(found: &SearchResult, whole: bool) -> Row {
    let line: String = found
        .description
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let description = match line.chars().count() > SHOWN && !whole {
        true => line.chars().take(SHOWN - 1).chain(['…']).collect(),
        false => line,
    };
    let sign = |is: bool| if is { "[OK]" } else { "" };
    let fields = json!({
        "Description": description,
        "IsAutomated": sign(found.is_automated),
        "IsOfficial": sign(found.is_official),
        "Name": found.name,
        "StarCount": found.star_count.to_string(),
    });
    row(fields, std::collections::BTreeMap::new())
}
