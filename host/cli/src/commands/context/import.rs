//! `bulkhead context import`

use clap::Args;

use super::{archive, check_new};
use crate::docker_config::ConfigDir;
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTEXT FILE|-")]
pub(crate) struct ImportArgs {
    #[arg(value_name = "CONTEXT", hide = true)]
    name: String,
    #[arg(value_name = "FILE|-", hide = true)]
    file: String,
}

pub(super) fn execute(config: &ConfigDir, args: &ImportArgs) -> Result<u8> {
    check_new(config, &args.name)?;
    let (mut context, files) = match args.file.as_str() {
        "-" => archive::read(std::io::stdin().lock())?,
        path => {
            let file = std::fs::File::open(path).map_err(|source| Error::Open {
                path: path.to_owned(),
                source,
            })?;
            archive::read(file)?
        }
    };
    context.name.clone_from(&args.name);
    config.store_context(&context)?;
    config.store_tls(&args.name, &files)?;
    print(format_args!("{}\n", args.name))?;
    eprintln!("Successfully imported context \"{}\"", args.name);
    Ok(0)
}
