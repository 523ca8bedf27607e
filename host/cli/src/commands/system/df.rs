//! `bulkhead system df`

use bulkhead_api::ApiVersion;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::image::ImageSummary;
use bulkhead_api::query::DiskUsageQuery;
use bulkhead_api::route::Route;
use bulkhead_api::usage::DiskUsage;
use bulkhead_api::volume::Volume;
use clap::Args;
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::commands::{container, image, volume};
use crate::error::Result;
use crate::output::{
    Format, FormatError, Heading, decimal_size, print, print_value, row, show, text,
};
use crate::template::{Data, Labels, Row};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct DfArgs {
    /// table, json, or text with {{.Type}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show each image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

/// The newest version whose answer is the list of each kind's objects; those
/// after it sum them up and want to be asked again for the lists.
const LISTS: ApiVersion = ApiVersion {
    major: 1,
    minor: 51,
};

const HEADINGS: &[Heading] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

const COLUMNS: &[&str] = &["Type", "TotalCount", "Active", "Size", "Reclaimable"];

pub(crate) async fn execute(client: &Client, args: &DfArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    client.speak_at_most(LISTS);
    let call = Call::new(Route::DiskUsage).params(&DiskUsageQuery::default());
    let usage: DiskUsage = client.json(call).await?;
    match args.verbose {
        true => verbose(&usage, format)?,
        false => show(&summary(&usage), &format, HEADINGS, COLUMNS)?,
    }
    Ok(0)
}

fn size(bytes: i64) -> String {
    decimal_size(bytes, 4)
}

fn line(kind: &str, counts: (usize, usize), bytes: i64, reclaimable: String) -> Row {
    let fields = json!({
        "Type": kind,
        "TotalCount": counts.0.to_string(),
        "Active": counts.1.to_string(),
        "Size": size(bytes),
        "Reclaimable": reclaimable,
    });
    row(fields, Labels::new())
}

/// `31B (100%)`
fn reclaimable(bytes: i64, all: i64) -> String {
    match all {
        0 => size(bytes),
        all => format!("{} ({}%)", size(bytes), bytes.saturating_mul(100) / all),
    }
}

fn is_active(container: &ContainerSummary) -> bool {
    matches!(
        container.state.as_str(),
        "running" | "paused" | "restarting"
    )
}

fn summary(usage: &DiskUsage) -> Vec<Row> {
    let images = usage.images.as_deref().unwrap_or_default();
    let used = |image: &&ImageSummary| image.containers > 0;
    let in_use: i64 = images
        .iter()
        .filter(used)
        .map(|image| image.size - image.shared_size.max(0))
        .sum();
    let free = (usage.layers_size - in_use).max(0);
    let counts = (images.len(), images.iter().filter(used).count());
    let mut rows = vec![line(
        "Images",
        counts,
        usage.layers_size,
        reclaimable(free, usage.layers_size),
    )];

    let containers = usage.containers.as_deref().unwrap_or_default();
    let written = |container: &ContainerSummary| container.size_rw.unwrap_or_default();
    let all: i64 = containers.iter().map(written).sum();
    let idle: i64 = containers
        .iter()
        .filter(|c| !is_active(c))
        .map(written)
        .sum();
    let counts = (
        containers.len(),
        containers.iter().filter(|c| is_active(c)).count(),
    );
    rows.push(line("Containers", counts, all, reclaimable(idle, all)));

    let volumes = usage.volumes.as_deref().unwrap_or_default();
    let counted = |volume: &Volume| volume.usage_data.map_or(0, |usage| usage.size.max(0));
    let links = |volume: &Volume| volume.usage_data.map_or(0, |usage| usage.ref_count);
    let all: i64 = volumes.iter().map(counted).sum();
    let idle: i64 = volumes.iter().filter(|v| links(v) == 0).map(counted).sum();
    let counts = (
        volumes.len(),
        volumes.iter().filter(|v| links(v) > 0).count(),
    );
    rows.push(line("Local Volumes", counts, all, reclaimable(idle, all)));

    let (caches, all, idle) = build_cache(usage);
    rows.push(line(
        "Build Cache",
        (caches.len(), caches.len() - idle.0),
        all,
        size(idle.1),
    ));
    rows
}

/// The records, their bytes, and how many records and bytes are not in use.
fn build_cache(usage: &DiskUsage) -> (&[Value], i64, (usize, i64)) {
    let caches = usage.build_cache.as_deref().unwrap_or_default();
    let bytes = |cache: &Value| cache["Size"].as_i64().unwrap_or_default();
    let is_idle = |cache: &&Value| cache["InUse"] != Value::Bool(true);
    let idle = caches.iter().filter(is_idle);
    let idle = (idle.clone().count(), idle.map(bytes).sum());
    (caches, caches.iter().map(bytes).sum(), idle)
}

fn verbose(usage: &DiskUsage, format: Format) -> Result<()> {
    let whole_ids = format != Format::Table;
    let images = usage.images.as_deref().unwrap_or_default();
    let images = image::ls::usage_rows(images, whole_ids);
    let containers = usage.containers.as_deref().unwrap_or_default();
    let containers = container::ls::usage_rows(containers, whole_ids);
    let volumes = volume::ls::rows(usage.volumes.as_deref().unwrap_or_default());
    let (caches, cached, _) = build_cache(usage);
    let caches: Vec<Row> = caches
        .iter()
        .map(|cache| row(cache.clone(), Labels::new()))
        .collect();
    if format != Format::Table {
        let list = |rows: Vec<Row>| Data::List(rows.into_iter().map(|row| row.data).collect());
        let whole = Data::Struct(vec![
            ("Images".into(), list(images)),
            ("Containers".into(), list(containers)),
            ("Volumes".into(), list(volumes)),
            ("BuildCache".into(), list(caches)),
        ]);
        return print_value(whole, &format);
    }
    let table =
        |rows: &[Row], headings: &[Heading], columns: &[&str]| -> Result<String, FormatError> {
            text(rows, &Format::Table, headings, columns)
        };
    const CACHES: &[Heading] = &[
        ("ID", "CACHE ID"),
        ("Type", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedAt", "CREATED"),
        ("LastUsedAt", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ];
    let cache_columns: Vec<&str> = CACHES.iter().map(|(field, _)| *field).collect();
    print(format_args!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\n\
         Build cache usage: {}\n\n{}",
        table(&images, image::ls::HEADINGS, image::ls::USAGE_COLUMNS)?,
        table(
            &containers,
            container::ls::HEADINGS,
            container::ls::USAGE_COLUMNS
        )?,
        table(&volumes, volume::ls::HEADINGS, volume::ls::USAGE_COLUMNS)?,
        size(cached),
        table(&caches, CACHES, &cache_columns)?,
    ))
}
