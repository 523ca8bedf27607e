//! A file per verb.

pub(crate) mod create;
pub(crate) mod daemon;
mod images;
mod info;
mod inspect;
mod kill;
mod logs;
pub(crate) mod ps;
pub(crate) mod pull;
mod rm;
mod rmi;
pub(crate) mod run;
mod start;
mod stop;
mod version;
mod wait;

use std::io::Write;

use clap::Subcommand;

use crate::client::Client;
use crate::error::{Error, Result};

/// The verbs, in the order help shows them.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Create and run a new container from an image
    Run(Box<run::RunArgs>),
    /// List containers
    Ps(ps::PsArgs),
    /// Download an image from a registry
    Pull(pull::PullArgs),
    /// List images
    Images(images::ImagesArgs),
    /// Create a new container
    Create(Box<create::CreateArgs>),
    /// Start one or more stopped containers
    Start(start::StartArgs),
    /// Stop one or more running containers
    Stop(stop::StopArgs),
    /// Kill one or more running containers
    Kill(kill::KillArgs),
    /// Block until one or more containers stop, then print their exit codes
    Wait(wait::WaitArgs),
    /// Fetch the logs of a container
    Logs(logs::LogsArgs),
    /// Remove one or more containers
    Rm(rm::RmArgs),
    /// Remove one or more images
    Rmi(rmi::RmiArgs),
    /// Return low-level information on containers and images
    Inspect(inspect::InspectArgs),
    /// Display system-wide information
    Info(info::InfoArgs),
    /// Show the version information
    Version(version::VersionArgs),
    /// Run the daemon (its own flags: bulkhead daemon --help)
    #[command(disable_help_flag = true)]
    Daemon(daemon::DaemonArgs),
}

impl Command {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Command::Run(args) => run::execute(client, args).await,
            Command::Ps(args) => ps::execute(client, args).await,
            Command::Pull(args) => pull::execute(client, args).await,
            Command::Images(args) => images::execute(client, args).await,
            Command::Create(args) => create::execute(client, args).await,
            Command::Start(args) => start::execute(client, args).await,
            Command::Stop(args) => stop::execute(client, args).await,
            Command::Kill(args) => kill::execute(client, args).await,
            Command::Wait(args) => wait::execute(client, args).await,
            Command::Logs(args) => logs::execute(client, args).await,
            Command::Rm(args) => rm::execute(client, args).await,
            Command::Rmi(args) => rmi::execute(client, args).await,
            Command::Inspect(args) => inspect::execute(client, args).await,
            Command::Info(args) => info::execute(client, args).await,
            Command::Version(args) => version::execute(client, args).await,
            Command::Daemon(args) => Err(daemon::execute(&args.words, daemon::Session::Callers)),
        }
    }

    /// The verb, if it fails with docker's codes 125 to 127 and a pointer to its help.
    pub(crate) fn starts_container(&self) -> Option<&'static str> {
        match self {
            Command::Run(_) => Some("run"),
            Command::Create(_) => Some("create"),
            _ => None,
        }
    }
}

/// Writes to standard output. A reader that went away is an error here, and
/// a quiet end in `main`.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|source| Error::Io {
        doing: "write to standard output",
        source,
    })
}

/// Does something to each of several objects: prints the name of each that
/// went well, and the error of each that did not.
pub(crate) async fn each(
    names: &[String],
    mut act: impl AsyncFnMut(&str) -> Result<()>,
) -> Result<u8> {
    let mut code = 0;
    for name in names {
        match act(name).await {
            Ok(()) => print(format_args!("{name}\n"))?,
            Err(error) => {
                eprintln!("{error}");
                code = 1;
            }
        }
    }
    Ok(code)
}

/// Treats "it already is so" as done.
pub(crate) fn already_done(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Daemon { status: 304, .. }) => Ok(()),
        other => other,
    }
}
