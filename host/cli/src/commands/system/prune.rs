//! `bulkhead system prune`

use bulkhead_api::Filters;
use clap::Args;

use crate::client::Client;
use crate::commands::prune::{self, PruneFlags};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PruneArgs {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Remove unused anonymous volumes, too
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    flags: PruneFlags,
}

pub(crate) async fn execute(client: &Client, args: &PruneArgs) -> Result<u8> {
    let filters = args.flags.filters();
    if args.volumes && filters.values("until").next().is_some() {
        return Err(Error::Conflict(
            "ERROR: The \"until\" filter is not supported with \"--volumes\"",
        ));
    }
    if !args.flags.agreed(&args.warning())? {
        return Ok(0);
    }
    let mut bytes = prune::containers(client, filters.clone()).await?.show()?;
    bytes += prune::networks(client, filters.clone()).await?.show()?;
    if args.volumes {
        bytes += prune::volumes(client, filters.clone()).await?.show()?;
    }
    bytes += prune::images(client, filters.clone(), args.all)
        .await?
        .show()?;
    bytes += prune::build_cache(client, without_labels(&filters))
        .await?
        .show()?;
    prune::print_reclaimed(bytes)?;
    Ok(0)
}

/// The build cache knows one of the filters.
fn without_labels(filters: &Filters) -> Filters {
    let mut kept = Filters::default();
    filters
        .values("until")
        .for_each(|time| kept.add("until", time));
    kept
}

impl PruneArgs {
    fn warning(&self) -> String {
        let mut items = vec![
            "all stopped containers".to_owned(),
            "all networks not used by at least one container".to_owned(),
        ];
        if self.volumes {
            items.push("all anonymous volumes not used by at least one container".to_owned());
        }
        items.push(match self.all {
            true => "all images without at least one container associated to them".to_owned(),
            false => "all dangling images".to_owned(),
        });
        items.push(match self.all {
            true => "all build cache".to_owned(),
            false => "unused build cache".to_owned(),
        });
        let list = |items: Vec<String>| -> String {
            items.iter().map(|item| format!("  - {item}\n")).collect()
        };
        let mut warning = format!("WARNING! This will remove:\n{}", list(items));
        let words: Vec<String> = self.flags.filter_words().collect();
        if !words.is_empty() {
            warning += &format!(
                "\n  Items to be pruned will be filtered with:\n{}",
                list(words)
            );
        }
        warning
    }
}
