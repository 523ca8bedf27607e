//! `bulkhead image referrers`: what a registry has about an image, such as
//! its signatures.

use bulkhead_api::image::Referrer;
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::json;

use super::pull::reference;
use crate::client::{Call, Client};
use crate::credentials;
use crate::error::Result;
use crate::output::{Format, Heading, decimal_size, label_list, print, row, show};
use crate::template::Row;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NAME[:TAG|@DIGEST]")]
pub(crate) struct ReferrersArgs {
    /// table, json, or text with {{.Digest}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only display digests
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME", hide = true)]
    name: String,
}

const HEADINGS: &[Heading] = &[
    ("Digest", "DIGEST"),
    ("ArtifactType", "ARTIFACT TYPE"),
    ("MediaType", "MEDIA TYPE"),
    ("Size", "SIZE"),
    ("Annotations", "ANNOTATIONS"),
];

pub(crate) async fn execute(client: &Client, args: &ReferrersArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    let reference = reference(&args.name)?;
    let auth = credentials::for_registry(client.config(), &reference.domain).to_header();
    let route = Route::DistributionReferrers(reference.to_string());
    let found: Vec<Referrer> = client.json(Call::new(route).auth(auth)).await?;
    if args.quiet && format == Format::Table {
        let digests: String = found.iter().map(|r| r.digest.clone() + "\n").collect();
        print(digests)?;
        return Ok(0);
    }
    let rows: Vec<Row> = found.iter().map(fields).collect();
    let columns = &["Digest", "ArtifactType", "Size"];
    show(&rows, &format, HEADINGS, columns)?;
    Ok(0)
}

fn fields(referrer: &Referrer) -> Row {
    let annotations = referrer.annotations.clone();
    let fields = json!({
        "Annotations": label_list(&annotations),
        "ArtifactType": referrer.artifact_type,
        "Digest": referrer.digest,
        "MediaType": referrer.media_type,
        "Size": decimal_size(referrer.size, 4),
    });
    row(fields, annotations)
}
