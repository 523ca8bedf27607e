//! `bulkhead context create`

use clap::Args;

use super::{check_new, endpoint};
use crate::docker_config::{ConfigDir, Context};
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTEXT")]
pub(crate) struct CreateArgs {
    /// Description of the context
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The daemon: host=ADDRESS, and for TLS ca=FILE, cert=FILE, key=FILE, skip-tls-verify=BOOL
    #[arg(long, value_name = "NAME=VALUE,...")]
    docker: Vec<String>,
    /// Copy another context
    #[arg(long, value_name = "CONTEXT")]
    from: Option<String>,
    #[arg(value_name = "CONTEXT", hide = true)]
    name: String,
}

pub(super) fn execute(config: &ConfigDir, args: &CreateArgs) -> Result<u8> {
    check_new(config, &args.name)?;
    let (mut context, mut files) = (Context::new(&args.name), Vec::new());
    match (&args.from, args.docker.is_empty()) {
        (None, true) => {
            return Err(Error::Option(
                "docker endpoint configuration is required: --docker host=ADDRESS".into(),
            ));
        }
        (Some(other), true) => {
            context = config.context(other)?;
            context.name.clone_from(&args.name);
            files = config.read_tls(other)?;
        }
        _ => files.extend(endpoint::set(config, &mut context, &args.docker)?),
    }
    if !args.description.is_empty() {
        context.describe(&args.description);
    }
    config.store_context(&context)?;
    config.store_tls(&args.name, &files)?;
    print(format_args!("{}\n", args.name))?;
    eprintln!("Successfully created context \"{}\"", args.name);
    Ok(0)
}
