//! `bulkhead tag`

use bulkhead_api::query::ImageTagQuery;
use bulkhead_api::route::Route;
use bulkhead_model::Reference;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]")]
pub(crate) struct TagArgs {
    #[arg(value_name = "SOURCE_IMAGE[:TAG]", hide = true)]
    source: String,
    #[arg(value_name = "TARGET_IMAGE[:TAG]", hide = true)]
    target: String,
}

pub(crate) async fn execute(client: &Client, args: &TagArgs) -> Result<u8> {
    let target: Reference = args.target.parse().map_err(|error| {
        let target = &args.target;
        Error::Plain(format!(
            "Error parsing reference: \"{target}\" is not a valid repository/tag: {error}"
        ))
    })?;
    if target.digest.is_some() {
        return Err(Error::Plain(
            "refusing to create a tag with a digest reference".to_owned(),
        ));
    }
    let query = ImageTagQuery {
        repo: target.familiar_name(),
        tag: target.tag_or_digest().to_owned(),
    };
    let call = Call::new(Route::ImageTag(args.source.clone())).params(&query);
    client.run(call).await?;
    Ok(0)
}
