//! `bulkhead context export`

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

use clap::Args;

use super::archive;
use crate::docker_config::{ConfigDir, ContextError, DEFAULT};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTEXT [FILE|-]")]
pub(crate) struct ExportArgs {
    #[arg(value_name = "CONTEXT", hide = true)]
    name: String,
    #[arg(value_name = "FILE|-", hide = true)]
    file: Option<String>,
}

pub(super) fn execute(config: &ConfigDir, args: &ExportArgs) -> Result<u8> {
    if args.name == DEFAULT {
        return Err(ContextError::Reserved.into());
    }
    let context = config.context(&args.name)?;
    let io_error = |source| Error::Io {
        doing: "export the context",
        source,
    };
    let bytes = archive::write(&context, &config.read_tls(&args.name)?).map_err(io_error)?;
    let path = match args.file.as_deref() {
        Some("-") if std::io::stdout().is_terminal() => {
            return Err(Error::Conflict(
                "cowardly refusing to export to a terminal, specify a file path",
            ));
        }
        Some("-") => {
            std::io::stdout().write_all(&bytes).map_err(io_error)?;
            return Ok(0);
        }
        Some(path) => path.to_owned(),
        None => format!("{}.dockercontext", args.name),
    };
    // It may hold a private key.
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(&bytes));
    written.map_err(|source| Error::Open {
        path: path.clone(),
        source,
    })?;
    eprintln!("Written file \"{path}\"");
    Ok(0)
}
