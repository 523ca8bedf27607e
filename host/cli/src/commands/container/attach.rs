//! `bulkhead attach`

use bulkhead_api::container::ContainerInspect;
use bulkhead_api::query::InspectQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::session::{self, Attachment};
use crate::terminal;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER")]
pub(crate) struct AttachArgs {
    /// Key sequence for detaching from the container
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "",
        hide_default_value = true
    )]
    detach_keys: String,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Pass received signals on to the container's process
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL", hide_possible_values = true)]
    sig_proxy: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &AttachArgs) -> Result<u8> {
    let inspect =
        Call::new(Route::ContainerInspect(args.container.clone())).params(&InspectQuery::default());
    let container: ContainerInspect = client.json(inspect).await?;
    let state = &container.state;
    if !state.running {
        return Err(Error::Conflict(
            "cannot attach to a stopped container, start it first",
        ));
    }
    if state.paused {
        return Err(Error::Conflict(
            "cannot attach to a paused container, unpause it first",
        ));
    }
    if state.restarting {
        return Err(Error::Conflict(
            "cannot attach to a restarting container, wait until it is running",
        ));
    }
    let stdin = !args.no_stdin && container.config.open_stdin;
    if stdin && container.config.tty && !terminal::stdin_is_terminal() {
        return Err(Error::Conflict("the input device is not a TTY"));
    }
    let attachment = Attachment {
        tty: container.config.tty,
        stdin,
        stdout: true,
        stderr: true,
        proxy_signals: args.sig_proxy,
        detach_keys: client
            .config()
            .option("detachKeys", Some(&args.detach_keys))?,
        auto_remove: container.host_config.auto_remove,
    };
    session::attach(client, &container.id, &attachment).await
}
