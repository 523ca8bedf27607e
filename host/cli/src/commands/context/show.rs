//! `bulkhead context show`

use clap::Args;

use crate::client::HostFlags;
use crate::docker_config::ConfigDir;
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "")]
pub(crate) struct ShowArgs {}

pub(super) fn execute(flags: &HostFlags, config: &ConfigDir) -> Result<u8> {
    print(format_args!("{}\n", flags.context_name(config)?))?;
    Ok(0)
}
