//! `bulkhead start`

use bulkhead_api::container::ContainerInspect;
use bulkhead_api::query::{InspectQuery, StartQuery};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::{already_done, each};
use crate::error::{Error, Result};
use crate::session::{self, Attachment};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct StartArgs {
    /// Attach STDOUT and STDERR and pass signals on
    #[arg(short, long)]
    attach: bool,
    /// Attach the container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Key sequence for detaching from the container
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "",
        hide_default_value = true
    )]
    detach_keys: String,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &StartArgs) -> Result<u8> {
    match args.containers.as_slice() {
        [container] if args.attach || args.interactive => attached(client, args, container).await,
        _ if args.attach || args.interactive => Err(Error::Conflict(
            "you cannot start and attach multiple containers at once",
        )),
        containers => many(client, args, containers).await,
    }
}

async fn many(client: &Client, args: &StartArgs, containers: &[String]) -> Result<u8> {
    let mut failed = Vec::new();
    let query = StartQuery {
        detach_keys: client
            .config()
            .option("detachKeys", Some(&args.detach_keys))?,
    };
    let code = each(containers, async |name| {
        let started = client
            .run(Call::new(Route::ContainerStart(name.to_owned())).params(&query))
            .await;
        already_done(started).inspect_err(|_| failed.push(name.to_owned()))
    })
    .await?;
    if code != 0 {
        crate::output::complain(format_args!(
            "Error: failed to start containers: {}",
            failed.join(", ")
        ));
    }
    Ok(code)
}

async fn attached(client: &Client, args: &StartArgs, name: &str) -> Result<u8> {
    let inspect =
        Call::new(Route::ContainerInspect(name.to_owned())).params(&InspectQuery::default());
    let container: ContainerInspect = client.json(inspect).await?;
    let attachment = Attachment {
        tty: container.config.tty,
        stdin: args.interactive && container.config.open_stdin,
        stdout: true,
        stderr: true,
        proxy_signals: true,
        detach_keys: client
            .config()
            .option("detachKeys", Some(&args.detach_keys))?,
        auto_remove: container.host_config.auto_remove,
    };
    session::run(client, &container.id, &attachment).await
}
