//! `bulkhead`: Docker's command line over the Docker Engine API.

mod attach;
mod client;
mod commands;
mod completion;
mod container_flags;
mod credentials;
mod detach;
mod docker_config;
mod error;
mod filter;
mod flags;
mod help;
mod options;
mod output;
mod programs;
mod prompt;
mod session;
mod template;
mod terminal;
mod usage;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser};

use client::Client;
use commands::{Command, daemon};
use error::{Error, Result};

/// A container engine whose drivers are sandboxed plugins
#[derive(Parser, Debug)]
#[command(
    name = "bulkhead",
    version,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
struct Cli {
    #[command(flatten)]
    host: client::HostFlags,
    /// Accepted as docker's; there is nothing more to tell
    #[arg(short = 'D', long)]
    debug: bool,
    /// Accepted as docker's; there is nothing more to tell
    #[arg(
        short,
        long,
        value_name = "LEVEL",
        default_value = "info",
        hide_default_value = true
    )]
    log_level: String,
    /// Print version information and quit
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if words
        .get(1)
        .is_some_and(|word| word == daemon::SESSION_VERB)
    {
        return finish(Err(daemon::execute(&words[2..], daemon::Session::Own)));
    }
    if words.get(1).is_some_and(|word| word == completion::VERB) {
        return finish(output::print(completion::answer(&words[2..])).map(|()| 0));
    }
    if words.get(1).is_some_and(|word| word == "help") {
        return finish(output::print(usage::help(&words[2..])).map(|()| 0));
    }
    match usage::matches(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(Box::<usage::Refused>::from))
    {
        Ok(cli) => run(&cli),
        Err(refused) => refused.tell(),
    }
}

fn run(cli: &Cli) -> ExitCode {
    let (verb, error) = match (cli.command.starts_container(), execute(cli)) {
        (Some(verb), Err(error)) if !error.is_told_plainly() => (verb, error),
        (_, result) => return finish(result),
    };
    output::complain(format_args!(
        "bulkhead: {error}\n\nRun 'bulkhead {verb} --help' for more information"
    ));
    let code = if verb == "run" {
        error.start_exit_code()
    } else {
        1
    };
    ExitCode::from(code)
}

fn execute(cli: &Cli) -> Result<u8> {
    if let Some(result) = cli.command.execute_alone(&cli.host) {
        return result;
    }
    let config = cli.host.config_dir();
    let client = Client::new(cli.host.address(&config)?, config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| Error::Io {
        doing: "start",
        source,
    })?;
    runtime.block_on(cli.command.execute(&client))
}

fn finish(result: Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        // The reader of our output went away: 128 plus SIGPIPE, as a shell has it.
        Err(error) if error.is_broken_pipe() => ExitCode::from(141),
        Err(error) => {
            crate::output::complain(&error);
            ExitCode::FAILURE
        }
    }
}
