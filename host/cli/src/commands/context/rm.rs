//! `bulkhead context rm`

use clap::Args;

use crate::client::HostFlags;
use crate::docker_config::{ConfigDir, ContextError, DEFAULT};
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTEXT [CONTEXT...]")]
pub(crate) struct RmArgs {
    /// Remove a context in use
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "CONTEXT", required = true, hide = true)]
    names: Vec<String>,
}

pub(super) fn execute(flags: &HostFlags, config: &ConfigDir, args: &RmArgs) -> Result<u8> {
    let mut code = 0;
    let in_use = flags.context_name(config)?;
    for name in &args.names {
        match remove(config, name, &in_use, args.force) {
            Ok(()) => print(format_args!("{name}\n"))?,
            Err(error) => {
                crate::output::complain(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}

fn remove(config: &ConfigDir, name: &str, in_use: &str, force: bool) -> Result<()> {
    if name == DEFAULT {
        return Err(Error::Option(
            "context \"default\" cannot be removed".into(),
        ));
    }
    match config.context(name) {
        Err(ContextError::Missing { .. }) if force => return Ok(()),
        Err(ContextError::Missing { .. }) => {
            return Err(Error::Option(format!("context \"{name}\" does not exist")));
        }
        other => other?,
    };
    if name == in_use {
        if !force {
            return Err(ContextError::InUse(name.to_owned()).into());
        }
        config.use_context(DEFAULT)?;
    }
    Ok(config.remove_context(name)?)
}
