//! `bulkhead context`: named daemons, shared with docker. No verb of these
//! speaks to a daemon.

mod archive;
mod create;
mod endpoint;
mod export;
mod import;
mod inspect;
mod ls;
mod rm;
mod show;
mod update;
mod r#use;

use clap::Subcommand;

use crate::client::HostFlags;
use crate::docker_config::ConfigDir;
use crate::error::Result;

/// What stands after `context`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Create a context
    Create(create::CreateArgs),
    /// Export a context to a tar archive, FILE or - for STDOUT
    Export(export::ExportArgs),
    /// Import a context from a tar archive, FILE or - for STDIN
    Import(import::ImportArgs),
    /// Display detailed information on one or more contexts
    Inspect(inspect::InspectArgs),
    /// List contexts
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    /// Remove one or more contexts
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
    /// Print the name of the current context
    Show(show::ShowArgs),
    /// Update a context
    Update(update::UpdateArgs),
    /// Set the current context
    Use(r#use::UseArgs),
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) fn execute(&self, flags: &HostFlags) -> Result<u8> {
        let config = flags.config_dir();
        match self {
            Management::Create(args) => create::execute(&config, args),
            Management::Export(args) => export::execute(&config, args),
            Management::Import(args) => import::execute(&config, args),
            Management::Inspect(args) => inspect::execute(flags, &config, args),
            Management::Ls(args) => ls::execute(flags, &config, args),
            Management::Rm(args) => rm::execute(flags, &config, args),
            Management::Show(_) => show::execute(flags, &config),
            Management::Update(args) => update::execute(&config, args),
            Management::Use(args) => r#use::execute(&config, args),
        }
    }
}

/// Refuses a name that a new context may not have.
fn check_new(config: &ConfigDir, name: &str) -> Result<()> {
    use crate::docker_config::{ContextError, DEFAULT, is_valid_name};
    if name == DEFAULT {
        return Err(ContextError::Reserved.into());
    }
    if !is_valid_name(name) {
        return Err(ContextError::Name(name.to_owned()).into());
    }
    match config.context(name) {
        Err(ContextError::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(ContextError::Exists(name.to_owned()).into()),
    }
}
