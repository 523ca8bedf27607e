//! `bulkhead image`: a file per verb.

pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod load;
pub(crate) mod ls;
mod prune;
pub(crate) mod pull;
pub(crate) mod push;
mod referrers;
pub(crate) mod rm;
pub(crate) mod save;
pub(crate) mod tag;
mod tree;

use bulkhead_api::image::DistributionPlatform;
use bulkhead_model::Platform;
use bulkhead_model::platform::InvalidPlatform;
use clap::Subcommand;

use super::inspect;
use crate::client::Client;
use crate::error::{Error, Result};

/// What stands after `image`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Import the contents from a tarball to create a filesystem image
    Import(import::ImportArgs),
    /// Show the history of an image
    History(history::HistoryArgs),
    /// Display detailed information on one or more images
    Inspect(inspect::ImageInspectArgs),
    /// Load an image from a tar archive or STDIN
    Load(load::LoadArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(ls::ImagesArgs),
    /// Remove unused images
    Prune(prune::PruneArgs),
    /// Download an image from a registry
    Pull(pull::PullArgs),
    /// Upload an image to a registry
    Push(push::PushArgs),
    /// List what a registry has about an image, such as its signatures
    Referrers(referrers::ReferrersArgs),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(rm::RmiArgs),
    /// Save one or more images to a tar archive (streamed to STDOUT by default)
    Save(save::SaveArgs),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(tag::TagArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Import(args) => import::execute(client, args).await,
            Management::History(args) => history::execute(client, args).await,
            Management::Inspect(args) => inspect::images(client, args).await,
            Management::Load(args) => load::execute(client, args).await,
            Management::Ls(args) => ls::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
            Management::Pull(args) => pull::execute(client, args).await,
            Management::Push(args) => push::execute(client, args).await,
            Management::Referrers(args) => referrers::execute(client, args).await,
            Management::Rm(args) => rm::execute(client, args).await,
            Management::Save(args) => save::execute(client, args).await,
            Management::Tag(args) => tag::execute(client, args).await,
        }
    }
}

/// A platform (`os[/arch[/variant]]`) as the API takes it, in JSON; empty for none.
fn platform_json(text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let text = match text.contains('/') {
        true => text.to_owned(),
        false => format!("{text}/{}", Platform::host().architecture),
    };
    let platform: Platform = text
        .parse()
        .map_err(|error: InvalidPlatform| Error::Option(format!("invalid platform: {error}")))?;
    let platform = DistributionPlatform {
        os: platform.os,
        architecture: platform.architecture,
        variant: platform.variant.unwrap_or_default(),
        ..DistributionPlatform::default()
    };
    Ok(serde_json::to_string(&platform).expect("strings always serialize"))
}
