//! The command tree: a folder per kind of object, a file per verb. A short
//! verb (`ps`) and its long form (`container ls`) share one file.

mod completion;
pub(crate) mod container;
mod context;
pub(crate) mod daemon;
mod image;
mod inspect;
mod login;
mod logout;
mod man;
mod manifest;
mod network;
mod plugin;
mod prune;
mod search;
mod system;
mod version;
mod volume;

use clap::Subcommand;

use crate::client::{Client, HostFlags};
use crate::error::{Error, Result};
use crate::output::print;

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    #[command(flatten)]
    Container(container::Verb),
    /// List containers
    Ps(container::ls::PsArgs),
    /// Download an image from a registry
    Pull(image::pull::PullArgs),
    /// Upload an image to a registry
    Push(image::push::PushArgs),
    /// Search a registry for images
    Search(search::SearchArgs),
    /// List images
    Images(image::ls::ImagesArgs),
    /// Remove one or more images
    Rmi(image::rm::RmiArgs),
    /// Save one or more images to a tar archive (streamed to STDOUT by default)
    Save(image::save::SaveArgs),
    /// Load an image from a tar archive or STDIN
    Load(image::load::LoadArgs),
    /// Import the contents from a tarball to create a filesystem image
    Import(image::import::ImportArgs),
    /// Show the history of an image
    History(image::history::HistoryArgs),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(image::tag::TagArgs),
    /// Return low-level information on objects of any kind
    Inspect(inspect::InspectArgs),
    /// Authenticate to a registry
    Login(login::LoginArgs),
    /// Log out from a registry
    Logout(logout::LogoutArgs),
    /// Display system-wide information
    Info(system::info::InfoArgs),
    /// Show the version information
    Version(version::VersionArgs),
    /// Manage containers
    #[command(name = "container", subcommand)]
    Containers(container::Management),
    /// Manage images
    #[command(name = "image", subcommand)]
    ImageManagement(image::Management),
    /// Look at manifests in registries
    #[command(name = "manifest", subcommand)]
    Manifest(manifest::Management),
    /// Get real time events from the daemon
    Events(system::events::EventsArgs),
    /// Manage networks
    #[command(name = "network", subcommand)]
    Network(network::Management),
    /// Manage contexts
    #[command(name = "context", subcommand)]
    Context(context::Management),
    /// Try plugins
    #[command(name = "plugin", subcommand)]
    Plugin(plugin::Management),
    /// Manage volumes
    #[command(name = "volume", subcommand)]
    Volume(volume::Management),
    /// Manage bulkhead
    #[command(name = "system", subcommand)]
    System(system::Management),
    /// Generate the completion script of a shell
    Completion(completion::CompletionArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(man::ManArgs),
    /// Run the daemon (its own flags: bulkhead daemon --help)
    #[command(disable_help_flag = true, override_usage = "[OPTIONS]")]
    Daemon(daemon::DaemonArgs),
}

impl Command {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Command::Container(verb) => verb.execute(client).await,
            Command::Ps(args) => container::ls::execute(client, args).await,
            Command::Pull(args) => image::pull::execute(client, args).await,
            Command::Push(args) => image::push::execute(client, args).await,
            Command::Search(args) => search::execute(client, args).await,
            Command::Images(args) => image::ls::execute(client, args).await,
            Command::Rmi(args) => image::rm::execute(client, args).await,
            Command::Save(args) => image::save::execute(client, args).await,
            Command::Load(args) => image::load::execute(client, args).await,
            Command::Import(args) => image::import::execute(client, args).await,
            Command::History(args) => image::history::execute(client, args).await,
            Command::Tag(args) => image::tag::execute(client, args).await,
            Command::Inspect(args) => inspect::execute(client, args).await,
            Command::Login(args) => login::execute(client, args).await,
            Command::Logout(args) => logout::execute(client.config(), args),
            Command::Info(args) => system::info::execute(client, args).await,
            Command::Version(args) => version::execute(client, args).await,
            Command::Containers(verb) => verb.execute(client).await,
            Command::ImageManagement(verb) => verb.execute(client).await,
            Command::Manifest(verb) => verb.execute(client).await,
            Command::Events(args) => system::events::execute(client, args).await,
            Command::Network(verb) => verb.execute(client).await,
            Command::Volume(verb) => verb.execute(client).await,
            Command::System(verb) => verb.execute(client).await,
            // These ask no daemon.
            Command::Context(_)
            | Command::Plugin(_)
            | Command::Completion(_)
            | Command::Man(_)
            | Command::Daemon(_) => Ok(0),
        }
    }

    /// Carries a verb out that asks no daemon; `None` for the others.
    pub(crate) fn execute_alone(&self, flags: &HostFlags) -> Option<Result<u8>> {
        match self {
            Command::Context(verb) => Some(verb.execute(flags)),
            Command::Plugin(verb) => Some(verb.execute()),
            Command::Completion(args) => Some(completion::execute(args)),
            Command::Man(args) => Some(man::execute(args)),
            Command::Daemon(args) => {
                Some(Err(daemon::execute(&args.words, daemon::Session::Callers)))
            }
            _ => None,
        }
    }

    /// The verb, if it fails with docker's codes 125 to 127 and a pointer to its help.
    pub(crate) fn starts_container(&self) -> Option<&'static str> {
        use container::{Management, Verb};
        match self {
            Command::Container(verb) | Command::Containers(Management::Verb(verb)) => match verb {
                Verb::Run(_) => Some("run"),
                Verb::Create(_) => Some("create"),
                _ => None,
            },
            _ => None,
        }
    }
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
                crate::output::complain(&error);
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
