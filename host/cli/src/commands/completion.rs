//! `bulkhead completion`

use clap::Args;

use crate::completion::{SHELLS, script};
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(
    override_usage = "bash|zsh|fish",
    after_help = "Load it into the running shell:\n  bash:  source <(bulkhead completion bash)\n  \
                  zsh:   source <(bulkhead completion zsh)\n  fish:  bulkhead completion fish | source"
)]
pub(crate) struct CompletionArgs {
    #[arg(value_name = "SHELL", value_parser = SHELLS, hide = true)]
    shell: String,
}

pub(crate) fn execute(args: &CompletionArgs) -> Result<u8> {
    print(script(&args.shell).unwrap_or_default())?;
    Ok(0)
}
