//! Names that the daemon or the user's settings know.

use std::time::Duration;

use bulkhead_api::Filters;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::image::ImageSummary;
use bulkhead_api::network::Network;
use bulkhead_api::query::{ImageListQuery, ListQuery};
use bulkhead_api::route::Route;
use bulkhead_api::volume::VolumeList;
use clap::{CommandFactory, FromArgMatches};

use super::Candidate;
use crate::client::{Call, Client, HostFlags};
use crate::error::{Error, Result};

/// How long the user waits for names.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Running,
    Stopped,
    Paused,
    Image,
    Network,
    Volume,
    Context,
    /// Containers and images.
    Any,
}

impl Kind {
    /// The containers to which the verb can do something.
    pub(super) fn container_for(verb: &str) -> Self {
        match verb {
            "attach" | "exec" | "kill" | "pause" | "port" | "stats" | "stop" | "top" => {
                Kind::Running
            }
            "start" => Kind::Stopped,
            "unpause" => Kind::Paused,
            _ => Kind::Container,
        }
    }
}

/// The names; the flags before the verb say which daemon.
pub(super) fn find(kind: Kind, before: &[String]) -> Result<Vec<Candidate>> {
    let flags = flags(before);
    let config = flags.config_dir();
    if kind == Kind::Context {
        let contexts = config.contexts()?.into_iter().map(|context| Candidate {
            about: context.description().to_owned(),
            word: context.name,
        });
        return Ok(contexts.collect());
    }
    let address = flags.address(&config)?.of_a_running_daemon();
    let client = Client::new(address, config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| Error::Io {
        doing: "start",
        source,
    })?;
    let asked =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(&client, kind)).await });
    asked.unwrap_or_else(|_| Ok(Vec::new()))
}

/// `-H` and the like before the verb; a line half typed is read as far as it can be.
fn flags(before: &[String]) -> HostFlags {
    let root = crate::Cli::command().ignore_errors(true);
    let words = std::iter::once("bulkhead".to_owned()).chain(before.iter().cloned());
    let matches = root.try_get_matches_from(words).ok();
    let flags = matches.and_then(|matches| HostFlags::from_arg_matches(&matches).ok());
    flags.unwrap_or_default()
}

async fn ask(client: &Client, kind: Kind) -> Result<Vec<Candidate>> {
    match kind {
        Kind::Container => containers(client, &[]).await,
        Kind::Running => containers(client, &["running"]).await,
        Kind::Stopped => containers(client, &["created", "exited"]).await,
        Kind::Paused => containers(client, &["paused"]).await,
        Kind::Image => images(client).await,
        Kind::Network => networks(client).await,
        Kind::Volume => volumes(client).await,
        Kind::Context => Ok(Vec::new()),
        Kind::Any => {
            let mut all = containers(client, &[]).await?;
            all.extend(images(client).await?);
            Ok(all)
        }
    }
}

async fn containers(client: &Client, states: &[&str]) -> Result<Vec<Candidate>> {
    let mut filters = Filters::default();
    states
        .iter()
        .for_each(|state| filters.add("status", *state));
    let query = ListQuery {
        all: true,
        filters,
        ..ListQuery::default()
    };
    let call = Call::new(Route::ContainerList).params(&query);
    let list: Vec<ContainerSummary> = client.json(call).await?;
    let candidate = |container: &ContainerSummary| {
        let name = container.names.first()?;
        Some(Candidate {
            word: name.trim_start_matches('/').to_owned(),
            about: format!("{}, {}", container.image, container.status),
        })
    };
    Ok(list.iter().filter_map(candidate).collect())
}

async fn images(client: &Client) -> Result<Vec<Candidate>> {
    let call = Call::new(Route::ImageList).params(&ImageListQuery::default());
    let list: Vec<ImageSummary> = client.json(call).await?;
    let names = list.into_iter().flat_map(|image| image.repo_tags);
    Ok(names.map(|word| named(word, "image")).collect())
}

async fn networks(client: &Client) -> Result<Vec<Candidate>> {
    let list: Vec<Network> = client.json(Call::new(Route::NetworkList)).await?;
    Ok(list
        .into_iter()
        .map(|network| named(network.name, &network.driver))
        .collect())
}

async fn volumes(client: &Client) -> Result<Vec<Candidate>> {
    let list: VolumeList = client.json(Call::new(Route::VolumeList)).await?;
    Ok(list
        .volumes
        .into_iter()
        .map(|volume| named(volume.name, &volume.driver))
        .collect())
}

fn named(word: String, about: &str) -> Candidate {
    Candidate {
        word,
        about: about.to_owned(),
    }
}
