//! `bulkhead context use`

use clap::Args;

use crate::client::host_variable;
use crate::docker_config::{ConfigDir, DEFAULT};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTEXT")]
pub(crate) struct UseArgs {
    #[arg(value_name = "CONTEXT", hide = true)]
    name: String,
}

pub(super) fn execute(config: &ConfigDir, args: &UseArgs) -> Result<u8> {
    if args.name != DEFAULT {
        config.context(&args.name)?;
    }
    config.use_context(&args.name)?;
    print(format_args!("{}\n", args.name))?;
    eprintln!("Current context is now \"{}\"", args.name);
    if let Some((variable, _)) = host_variable().filter(|_| args.name != DEFAULT) {
        eprintln!(
            "Warning: {variable} environment variable overrides the active context. To use \"{}\", either set the \
             global --context flag, or unset {variable} environment variable.",
            args.name
        );
    }
    Ok(0)
}
