//! `bulkhead context update`

use clap::Args;

use super::endpoint;
use crate::docker_config::{ConfigDir, ContextError, DEFAULT};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTEXT")]
pub(crate) struct UpdateArgs {
    /// Description of the context
    #[arg(long)]
    description: Option<String>,
    /// The daemon: host=ADDRESS, and for TLS ca=FILE, cert=FILE, key=FILE, skip-tls-verify=BOOL
    #[arg(long, value_name = "NAME=VALUE,...")]
    docker: Vec<String>,
    #[arg(value_name = "CONTEXT", hide = true)]
    name: String,
}

pub(super) fn execute(config: &ConfigDir, args: &UpdateArgs) -> Result<u8> {
    if args.name == DEFAULT {
        return Err(ContextError::Reserved.into());
    }
    let mut context = config.context(&args.name)?;
    if let Some(text) = &args.description {
        context.describe(text);
    }
    if !args.docker.is_empty() {
        let files = endpoint::set(config, &mut context, &args.docker)?;
        config.store_tls(&args.name, &files)?;
    }
    config.store_context(&context)?;
    print(format_args!("{}\n", args.name))?;
    eprintln!("Successfully updated context \"{}\"", args.name);
    Ok(0)
}
