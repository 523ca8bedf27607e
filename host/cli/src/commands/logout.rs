//! `bulkhead logout`

use clap::Args;

use crate::credentials::{self, DOCKER_HUB, hostname};
use crate::docker_config::ConfigDir;
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[SERVER]")]
pub(crate) struct LogoutArgs {
    #[arg(value_name = "SERVER", hide = true)]
    server: Option<String>,
}

pub(crate) fn execute(config: &ConfigDir, args: &LogoutArgs) -> Result<u8> {
    let (server, shown) = match args.server.as_deref() {
        None | Some("" | "docker.io") => (DOCKER_HUB, DOCKER_HUB),
        Some(server) => (server, hostname(server)),
    };
    print(format_args!("Removing login credentials for {shown}\n"))?;
    credentials::erase(config, server)?;
    Ok(0)
}
