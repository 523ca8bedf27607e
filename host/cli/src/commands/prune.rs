//! What `prune` does to each kind of object, and how it is told.

use bulkhead_api::Filters;
use bulkhead_api::image::ImageDeleted;
use bulkhead_api::query::FiltersQuery;
use bulkhead_api::route::Route;
use bulkhead_api::usage::{
    BuildPruned, ContainersPruned, ImagesPruned, NetworksPruned, VolumesPruned,
};
use clap::Args;
use serde::de::DeserializeOwned;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{decimal_size, print};
use crate::prompt::confirm;

/// The flags of every prune.
#[derive(Args, Debug)]
pub(crate) struct PruneFlags {
    /// Only what matches (label=NAME[=VALUE], until=TIME)
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl PruneFlags {
    /// Whether to go on, from the flag or the user.
    pub(crate) fn agreed(&self, warning: &str) -> Result<bool> {
        match self.force {
            true => Ok(true),
            false => confirm(warning),
        }
    }

    pub(crate) fn filters(&self) -> Filters {
        filters(&self.filter)
    }

    /// `label=x`, as the user gave them.
    pub(crate) fn filter_words(&self) -> impl Iterator<Item = String> {
        self.filter.iter().map(ToString::to_string)
    }
}

/// What one call removed.
pub(crate) struct Pruned {
    title: &'static str,
    lines: Vec<String>,
    bytes: u64,
}

impl Pruned {
    /// Shows the names, if there are any, and gives the space.
    pub(crate) fn show(&self) -> Result<u64> {
        if !self.lines.is_empty() {
            print(format_args!(
                "{}:\n{}\n\n",
                self.title,
                self.lines.join("\n")
            ))?;
        }
        Ok(self.bytes)
    }
}

/// The last line of a prune.
pub(crate) fn print_reclaimed(bytes: u64) -> Result<()> {
    let size = decimal_size(i64::try_from(bytes).unwrap_or(i64::MAX), 4);
    print(format_args!("Total reclaimed space: {size}\n"))
}

pub(crate) async fn containers(client: &Client, filters: Filters) -> Result<Pruned> {
    let pruned: ContainersPruned = call(client, Route::ContainerPrune, filters).await?;
    Ok(Pruned {
        title: "Deleted Containers",
        lines: pruned.containers_deleted,
        bytes: pruned.space_reclaimed,
    })
}

pub(crate) async fn networks(client: &Client, filters: Filters) -> Result<Pruned> {
    let pruned: NetworksPruned = call(client, Route::NetworkPrune, filters).await?;
    Ok(Pruned {
        title: "Deleted Networks",
        lines: pruned.networks_deleted,
        bytes: 0,
    })
}

pub(crate) async fn volumes(client: &Client, filters: Filters) -> Result<Pruned> {
    let pruned: VolumesPruned = call(client, Route::VolumePrune, filters).await?;
    Ok(Pruned {
        title: "Deleted Volumes",
        lines: pruned.volumes_deleted,
        bytes: pruned.space_reclaimed,
    })
}

/// Dangling images, or with `all` every image without a container.
pub(crate) async fn images(client: &Client, mut filters: Filters, all: bool) -> Result<Pruned> {
    filters.add("dangling", if all { "false" } else { "true" });
    let pruned: ImagesPruned = call(client, Route::ImagePrune, filters).await?;
    let line = |step: &ImageDeleted| match (&step.untagged, &step.deleted) {
        (Some(name), _) => format!("untagged: {name}"),
        (None, id) => format!("deleted: {}", id.as_deref().unwrap_or_default()),
    };
    Ok(Pruned {
        title: "Deleted Images",
        lines: pruned.images_deleted.iter().map(line).collect(),
        bytes: pruned.space_reclaimed,
    })
}

/// Nothing for a daemon that does not build.
pub(crate) async fn build_cache(client: &Client, filters: Filters) -> Result<Pruned> {
    let pruned = match call::<BuildPruned>(client, Route::BuildPrune, filters).await {
        Err(error) if error.is_not_found() => BuildPruned::default(),
        other => other?,
    };
    Ok(Pruned {
        title: "Deleted build cache objects",
        lines: pruned.caches_deleted,
        bytes: pruned.space_reclaimed,
    })
}

async fn call<T: DeserializeOwned>(client: &Client, route: Route, filters: Filters) -> Result<T> {
    let call = Call::new(route).params(&FiltersQuery { filters });
    client.json(call).await
}
