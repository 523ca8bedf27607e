//! `bulkhead network`: a file per verb.

mod connect;
mod create;
mod disconnect;
mod firewall;
mod inspect;
mod ls;
mod prune;
mod rm;
mod subnet;
mod trace;

use clap::Subcommand;

use crate::client::Client;
use crate::error::Result;

/// What stands after `network`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Connect a container to a network
    Connect(connect::ConnectArgs),
    /// Create a network
    Create(Box<create::CreateArgs>),
    /// Disconnect a container from a network
    Disconnect(disconnect::DisconnectArgs),
    /// Show the packet filter's rules with their reasons
    Firewall(firewall::FirewallArgs),
    /// Display detailed information on one or more networks
    Inspect(inspect::InspectArgs),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    /// Remove all unused networks
    Prune(prune::PruneArgs),
    /// Say why a packet of a container would or would not arrive
    Trace(trace::TraceArgs),
    /// Remove one or more networks
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Connect(args) => connect::execute(client, args).await,
            Management::Create(args) => create::execute(client, args).await,
            Management::Disconnect(args) => disconnect::execute(client, args).await,
            Management::Firewall(args) => firewall::execute(client, args).await,
            Management::Inspect(args) => inspect::execute(client, args).await,
            Management::Ls(args) => ls::execute(client, args).await,
            Management::Prune(args) => prune::execute(client, args).await,
            Management::Trace(args) => trace::execute(client, args).await,
            Management::Rm(args) => rm::execute(client, args).await,
        }
    }
}
