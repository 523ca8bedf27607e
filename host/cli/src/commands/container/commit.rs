//! `bulkhead commit`

use bulkhead_api::image::Committed;
use bulkhead_api::query::CommitQuery;
use bulkhead_api::route::Route;
use clap::{ArgAction, Args};

use crate::client::{Call, Client};
use crate::commands::image::pull;
use crate::error::Result;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]")]
pub(crate) struct CommitArgs {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(
        short,
        long,
        value_name = "STRING",
        default_value = "",
        hide_default_value = true
    )]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "LIST")]
    change: Vec<String>,
    /// Commit message
    #[arg(
        short,
        long,
        value_name = "STRING",
        default_value = "",
        hide_default_value = true
    )]
    message: String,
    /// Pause container during commit
    #[arg(short, long, default_value = "true", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pause: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    #[arg(value_name = "REPOSITORY[:TAG]", hide = true)]
    name: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &CommitArgs) -> Result<u8> {
    let name = args.name.as_deref().filter(|name| !name.is_empty());
    let name = name.map(pull::reference).transpose()?;
    let query = CommitQuery {
        container: args.container.clone(),
        repo: name.as_ref().map_or(String::new(), |n| n.familiar_name()),
        tag: name.map_or(String::new(), |n| n.tag_or_digest().to_owned()),
        author: args.author.clone(),
        comment: args.message.clone(),
        pause: args.pause,
        changes: args.change.clone(),
    };
    let call = Call::new(Route::Commit).params(&query);
    let made: Committed = client.json(call).await?;
    print(format_args!("{}\n", made.id))?;
    Ok(0)
}
