//! `bulkhead push`

use bulkhead_api::query::ImagePushQuery;
use bulkhead_api::route::Route;
use bulkhead_model::Reference;
use clap::Args;

use super::pull::{has_tag_or_digest, reference, show_on_stdout};
use crate::client::{Call, Client};
use crate::credentials;
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NAME[:TAG]")]
pub(crate) struct PushArgs {
    /// Push every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// How layers that are kept uncompressed are compressed: gzip or zstd
    #[arg(
        long,
        value_name = "HOW",
        default_value = "",
        hide_default_value = true
    )]
    compression: String,
    /// Skip image signing (nothing is ever signed)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true)]
    disable_content_trust: bool,
    /// The manifest of an image that was made here: docker or oci
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Only show the image's name
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &PushArgs) -> Result<u8> {
    let named = reference(&args.name)?;
    let is_tagged = has_tag_or_digest(&args.name);
    if args.all_tags && is_tagged {
        return Err(Error::Conflict("tag can't be used with --all-tags/-a"));
    }
    if !args.disable_content_trust {
        return Err(Error::Conflict(
            "images are not signed by a push: leave --disable-content-trust=false out",
        ));
    }
    if !is_tagged && !args.all_tags && !args.quiet {
        print("Using default tag: latest\n")?;
    }
    let query = ImagePushQuery {
        tag: match args.all_tags {
            true => String::new(),
            false => named.tag_or_digest().to_owned(),
        },
        compression: args.compression.clone(),
        format: args.format.clone(),
        ..ImagePushQuery::default()
    };
    let auth = credentials::for_registry(client.config(), &named.domain).to_header();
    let route = Route::ImagePush(named.familiar_name());
    let body = client
        .stream(Call::new(route).params(&query).auth(auth))
        .await?;
    show_on_stdout(body, args.quiet).await?;
    if args.quiet {
        let shown = Reference {
            tag: named.tag.clone().filter(|_| !args.all_tags),
            ..named
        };
        print(format_args!("{shown}\n"))?;
    }
    Ok(0)
}
