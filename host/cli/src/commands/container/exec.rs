//! `bulkhead exec`

use std::path::PathBuf;

use bulkhead_api::exec::{ExecConfig, ExecCreated, ExecStartConfig};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::flags;
use crate::session::{self, Attachment};
use crate::terminal;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER COMMAND [ARG...]")]
pub(crate) struct ExecArgs {
    /// Run the command in the background
    #[arg(short, long)]
    detach: bool,
    /// Key sequence for detaching from the command
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "",
        hide_default_value = true
    )]
    detach_keys: String,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = flags::parse_env)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// User name or id, and group (format: <name|uid>[:<group|gid>])
    #[arg(
        short,
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    user: String,
    /// Working directory inside the container
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "",
        hide_default_value = true
    )]
    workdir: String,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        hide = true
    )]
    command: Vec<String>,
}

pub(crate) async fn execute(client: &Client, args: &ExecArgs) -> Result<u8> {
    let keys = client
        .config()
        .option("detachKeys", Some(&args.detach_keys))?;
    let attachment = args.attachment(keys);
    if attachment.tty && attachment.stdin && !terminal::stdin_is_terminal() {
        return Err(Error::Conflict("the input device is not a TTY"));
    }
    let call =
        Call::new(Route::ExecCreate(args.container.clone())).json(&args.config(&attachment)?);
    let created: ExecCreated = client.json(call).await?;
    if !args.detach {
        return session::exec(client, &created.id, &attachment).await;
    }
    let start = ExecStartConfig {
        detach: true,
        tty: args.tty,
        console_size: None,
    };
    client
        .run(Call::new(Route::ExecStart(created.id)).json(&start))
        .await?;
    Ok(0)
}

impl ExecArgs {
    fn attachment(&self, detach_keys: String) -> Attachment {
        Attachment {
            tty: self.tty,
            stdin: self.interactive && !self.detach,
            stdout: !self.detach,
            stderr: !self.detach,
            proxy_signals: false,
            detach_keys,
            auto_remove: false,
        }
    }

    fn config(&self, attachment: &Attachment) -> Result<ExecConfig> {
        Ok(ExecConfig {
            user: self.user.clone(),
            privileged: self.privileged,
            tty: self.tty,
            console_size: attachment.console_size(),
            attach_stdin: attachment.stdin,
            attach_stdout: attachment.stdout,
            attach_stderr: attachment.stderr,
            detach: self.detach,
            detach_keys: attachment.detach_keys.clone(),
            env: flags::env_list(&self.env_file, &self.env)?,
            working_dir: self.workdir.clone(),
            cmd: Some(self.command.clone()),
        })
    }
}
