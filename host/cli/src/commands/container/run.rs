//! `bulkhead run`

use bulkhead_api::container::CreateRequest;
use bulkhead_api::query::StartQuery;
use bulkhead_api::route::Route;
use clap::Args;

use super::create;
use crate::client::{Call, Client};
use crate::container_flags::ContainerFlags;
use crate::error::{Error, Result};
use crate::output::print;
use crate::session::{self, Attachment};
use crate::terminal;

#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    override_usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
)]
pub(crate) struct RunArgs {
    /// Run the container in the background and print its id
    #[arg(short, long)]
    detach: bool,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "STREAM", value_parser = ["stdin", "stdout", "stderr"], ignore_case = true, hide_possible_values = true)]
    attach: Vec<String>,
    /// Key sequence for detaching from the container
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "",
        hide_default_value = true
    )]
    detach_keys: String,
    /// Pass received signals on to the container's process
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    sig_proxy: bool,
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[command(flatten)]
    container: ContainerFlags,
}

pub(crate) async fn execute(client: &Client, args: &RunArgs) -> Result<u8> {
    if args.detach && !args.attach.is_empty() {
        return Err(Error::Conflict(
            "conflicting options: cannot specify both --attach and --detach",
        ));
    }
    let keys = client
        .config()
        .option("detachKeys", Some(&args.detach_keys))?;
    let attachment = args.attachment(keys);
    if attachment.tty && attachment.stdin && !terminal::stdin_is_terminal() {
        return Err(Error::Conflict("the input device is not a TTY"));
    }
    let mut request = args.container.request()?;
    args.attach_streams(&attachment, &mut request);
    let id = create::create(client, &args.container, &request).await?;
    if !args.detach {
        return session::run(client, &id, &attachment).await;
    }
    let start = StartQuery {
        detach_keys: attachment.detach_keys,
    };
    client
        .run(Call::new(Route::ContainerStart(id.clone())).params(&start))
        .await?;
    print(format_args!("{id}\n"))?;
    Ok(0)
}

impl RunArgs {
    fn attachment(&self, detach_keys: String) -> Attachment {
        let flags = &self.container;
        let asked = |stream: &str| {
            self.attach
                .iter()
                .any(|name| name.eq_ignore_ascii_case(stream))
        };
        let none_asked = self.attach.is_empty();
        Attachment {
            tty: flags.tty,
            stdin: !self.detach && (asked("stdin") || none_asked && flags.interactive),
            stdout: !self.detach && (asked("stdout") || none_asked),
            stderr: !self.detach && (asked("stderr") || none_asked),
            proxy_signals: self.sig_proxy,
            detach_keys,
            auto_remove: flags.rm,
        }
    }

    fn attach_streams(&self, attachment: &Attachment, request: &mut CreateRequest) {
        let config = &mut request.config;
        config.attach_stdin = attachment.stdin;
        config.attach_stdout = attachment.stdout;
        config.attach_stderr = attachment.stderr;
        config.stdin_once = config.open_stdin && attachment.stdin;
        if let Some((rows, columns)) = terminal::size().filter(|_| config.tty) {
            request.host_config.console_size = [rows.into(), columns.into()];
        }
    }
}
