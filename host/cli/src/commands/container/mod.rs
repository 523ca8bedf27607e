//! `bulkhead container`: a file per verb.

mod attach;
mod commit;
pub(super) mod cp;
pub(crate) mod create;
mod diff;
mod exec;
pub(crate) mod export;
mod kill;
mod logs;
pub(crate) mod ls;
mod pause;
mod port;
mod prune;
mod rename;
mod restart;
mod rm;
pub(crate) mod run;
mod start;
mod stats;
mod stop;
mod top;
mod unpause;
mod update;
mod wait;

use clap::Subcommand;

use super::inspect;
use crate::client::Client;
use crate::error::Result;

/// Verbs that stand alone as well as after `container`.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Attach local standard input, output and error streams to a running container
    Attach(attach::AttachArgs),
    /// Create a new image from a container's changes
    Commit(commit::CommitArgs),
    /// Copy files/folders between a container and the local filesystem
    Cp(cp::CpArgs),
    /// Create a new container
    Create(Box<create::CreateArgs>),
    /// Execute a command in a running container
    Exec(Box<exec::ExecArgs>),
    /// Inspect changes to files or directories on a container's filesystem
    Diff(diff::DiffArgs),
    /// Export a container's filesystem as a tar archive
    Export(export::ExportArgs),
    /// Kill one or more running containers
    Kill(kill::KillArgs),
    /// Fetch the logs of a container
    Logs(logs::LogsArgs),
    /// Pause all processes within one or more containers
    Pause(pause::PauseArgs),
    /// List port mappings or a specific mapping for the container
    Port(port::PortArgs),
    /// Rename a container
    Rename(rename::RenameArgs),
    /// Restart one or more containers
    Restart(stop::StopArgs),
    /// Remove one or more containers
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
    /// Create and run a new container from an image
    Run(Box<run::RunArgs>),
    /// Start one or more stopped containers
    Start(start::StartArgs),
    /// Display what containers use, live
    Stats(stats::StatsArgs),
    /// Stop one or more running containers
    Stop(stop::StopArgs),
    /// Display the running processes of a container
    Top(top::TopArgs),
    /// Unpause all processes within one or more containers
    Unpause(unpause::UnpauseArgs),
    /// Update the limits and restart policy of one or more containers
    Update(Box<update::UpdateArgs>),
    /// Block until one or more containers stop, then print their exit codes
    Wait(wait::WaitArgs),
}

/// What stands after `container`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    #[command(flatten)]
    Verb(Verb),
    /// Display detailed information on one or more containers
    Inspect(inspect::ContainerInspectArgs),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(ls::PsArgs),
    /// Remove all stopped containers
    Prune(prune::PruneArgs),
}

impl Verb {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Verb::Attach(args) => attach::execute(client, args).await,
            Verb::Commit(args) => commit::execute(client, args).await,
            Verb::Cp(args) => cp::execute(client, args).await,
            Verb::Create(args) => create::execute(client, args).await,
            Verb::Exec(args) => exec::execute(client, args).await,
            Verb::Diff(args) => diff::execute(client, args).await,
            Verb::Export(args) => export::execute(client, args).await,
            Verb::Kill(args) => kill::execute(client, args).await,
            Verb::Logs(args) => logs::execute(client, args).await,
            Verb::Pause(args) => pause::execute(client, args).await,
            Verb::Port(args) => port::execute(client, args).await,
            Verb::Rename(args) => rename::execute(client, args).await,
            Verb::Restart(args) => restart::execute(client, args).await,
            Verb::Rm(args) => rm::execute(client, args).await,
            Verb::Run(args) => run::execute(client, args).await,
            Verb::Start(args) => start::execute(client, args).await,
            Verb::Stats(args) => stats::execute(client, args).await,
            Verb::Stop(args) => stop::execute(client, args).await,
            Verb::Top(args) => top::execute(client, args).await,
            Verb::Unpause(args) => unpause::execute(client, args).await,
            Verb::Update(args) => update::execute(client, args).await,
            Verb::Wait(args) => wait::execute(client, args).await,
        }
    }
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Verb(verb) => verb.execute(client).await,
            Management::Inspect(args) => inspect::containers(client, args).await,
            Management::Ls(args) => ls::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
        }
    }
}
