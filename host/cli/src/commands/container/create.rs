//! `bulkhead create`, and the first half of `bulkhead run`.

use std::path::Path;

use bulkhead_api::container::{CreateRequest, CreateResponse};
use bulkhead_api::query::CreateQuery;
use bulkhead_api::route::Route;
use bulkhead_model::Reference;
use clap::Args;

use crate::client::{Call, Client};
use crate::commands::image::pull;
use crate::container_flags::ContainerFlags;
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    override_usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
)]
pub(crate) struct CreateArgs {
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "STREAM", value_parser = ["stdin", "stdout", "stderr"], ignore_case = true, hide_possible_values = true)]
    attach: Vec<String>,
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[command(flatten)]
    container: ContainerFlags,
}

pub(crate) async fn execute(client: &Client, args: &CreateArgs) -> Result<u8> {
    let mut request = args.container.request()?;
    let config = &mut request.config;
    let asked = |stream: &str| {
        args.attach
            .iter()
            .any(|name| name.eq_ignore_ascii_case(stream))
    };
    let none_asked = args.attach.is_empty();
    config.attach_stdin = asked("stdin") || none_asked && config.open_stdin;
    config.attach_stdout = asked("stdout") || none_asked;
    config.attach_stderr = asked("stderr") || none_asked;
    config.stdin_once = config.open_stdin && config.attach_stdin;
    let id = create(client, &args.container, &request).await?;
    print(format_args!("{id}\n"))?;
    Ok(0)
}

/// When the image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PullPolicy {
    Always,
    Missing,
    Never,
}

/// Creates a container and gives its id; pulls its image first if the daemon
/// says that it lacks it. Creating is tried before asking for the image, so
/// that the usual case costs one call.
pub(crate) async fn create(
    client: &Client,
    flags: &ContainerFlags,
    request: &CreateRequest,
) -> Result<String> {
    let policy = pull_policy(&flags.pull)?;
    let reference = image_reference(flags.image())?;
    if let Some(path) = &flags.cidfile {
        check_cidfile(path)?;
    }
    if let (PullPolicy::Always, Some(reference)) = (policy, &reference) {
        pull::for_container(client, reference, flags).await?;
    }
    match (finish(client, flags, request).await, reference) {
        (Err(error), Some(reference))
            if policy == PullPolicy::Missing && is_image_missing(&error) =>
        {
            eprintln!("Unable to find image '{}' locally", reference.familiar());
            pull::for_container(client, &reference, flags).await?;
            finish(client, flags, request).await
        }
        (result, _) => result,
    }
}

/// The image's reference, `None` for a whole image id, which cannot be pulled.
fn image_reference(text: &str) -> Result<Option<Reference>> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_id = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_id {
        Ok(None)
    } else {
        pull::reference(text).map(Some)
    }
}

async fn finish(
    client: &Client,
    flags: &ContainerFlags,
    request: &CreateRequest,
) -> Result<String> {
    let query = CreateQuery {
        name: flags.name.clone(),
        platform: flags.platform.clone(),
    };
    let created: CreateResponse = client
        .json(
            Call::new(Route::ContainerCreate)
                .params(&query)
                .json(request),
        )
        .await?;
    created
        .warnings
        .iter()
        .for_each(|warning| crate::output::warn(format_args!("WARNING: {warning}")));
    if let Some(path) = &flags.cidfile {
        let open = |source| Error::Open {
            path: path.display().to_string(),
            source,
        };
        std::fs::write(path, &created.id).map_err(open)?;
    }
    Ok(created.id)
}

/// A missing network or storage driver is 404, too.
fn is_image_missing(error: &Error) -> bool {
    let Error::Daemon { message, .. } = error else {
        return false;
    };
    error.is_not_found() && message.to_lowercase().contains("no such image")
}

fn pull_policy(text: &str) -> Result<PullPolicy> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" | "" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        other => Err(Error::Option(format!(
            "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
        ))),
    }
}

fn check_cidfile(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::Option(format!(
            "container ID file found, make sure the other container isn't running or delete {}",
            path.display()
        ))),
        false => Ok(()),
    }
}
