//! `bulkhead logs`

use bulkhead_api::container::ContainerInspect;
use bulkhead_api::query::{InspectQuery, LogsQuery, Tail, Timestamp};
use bulkhead_api::route::Route;
use clap::Args;
use http_body_util::BodyExt;

use crate::attach::Sink;
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::flags::parse_since;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER")]
pub(crate) struct LogsArgs {
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since a time (2026-01-02T13:23:37Z) or a while ago (42m)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Show logs before a time (2026-01-02T13:23:37Z) or a while ago (42m)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    until: Option<Timestamp>,
    /// Number of lines to show from the end of the logs, or all
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value = "all",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show the labels and variables that --log-opt chose
    #[arg(long)]
    details: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &LogsArgs) -> Result<u8> {
    let inspect =
        Call::new(Route::ContainerInspect(args.container.clone())).params(&InspectQuery::default());
    let container: ContainerInspect = client.json(inspect).await?;
    let query = LogsQuery {
        follow: args.follow,
        stdout: true,
        stderr: true,
        since: args.since,
        until: args.until,
        timestamps: args.timestamps,
        details: args.details,
        tail: args.tail.parse().map_or(Tail::All, Tail::Last),
    };
    let mut body = client
        .stream(Call::new(Route::ContainerLogs(container.id)).params(&query))
        .await?;
    let io_error = |source| Error::Io {
        doing: "write the log",
        source,
    };
    let mut sink = Sink::new(container.config.tty).map_err(io_error)?;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            sink.write(&data).map_err(io_error)?;
        }
    }
    Ok(0)
}
