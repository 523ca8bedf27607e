//! `bulkhead pull`, and the pull of an image that `run` lacks.

use std::io::{IsTerminal, Write};

use bulkhead_api::progress::Progress;
use bulkhead_api::query::ImageCreateQuery;
use bulkhead_api::route::Route;
use bulkhead_model::Reference;
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::client::{Call, Client};
use crate::container_flags::ContainerFlags;
use crate::error::{Error, Result};
use crate::output::PullProgress;
use crate::output::print;
use crate::{credentials, terminal};

/// What the name of a directory or an archive begins with, in the place of an
/// image of a registry.
const LOCAL: [&str; 2] = ["oci-layout:", "docker-archive:"];

/// A line of progress longer than this is not one.
const MAX_LINE: usize = 1 << 20;

#[derive(Args, Debug)]
#[command(
    override_usage = "[OPTIONS] NAME[:TAG|@DIGEST] | oci-layout:/DIRECTORY[:TAG] | docker-archive:/FILE[:NAME[:TAG]]"
)]
pub(crate) struct PullArgs {
    /// Download every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Only show the image's name
    #[arg(short, long)]
    quiet: bool,
    /// The platform of a multi-platform image (os/arch[/variant])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "NAME", hide = true)]
    name: String,
}

pub(crate) async fn execute(client: &Client, args: &PullArgs) -> Result<u8> {
    if LOCAL.iter().any(|prefix| args.name.starts_with(prefix)) {
        return from_file(client, args).await;
    }
    let reference = reference(&args.name)?;
    if args.all_tags {
        return every_tag(client, args, &reference).await;
    }
    if !args.quiet && !has_tag_or_digest(&args.name) {
        print("Using default tag: latest\n")?;
    }
    let body = begin(client, &reference, &args.platform).await?;
    show_on_stdout(body, args.quiet).await?;
    print(format_args!("{reference}\n"))?;
    Ok(0)
}

/// Pulls a whole repository: the daemon is given no tag.
async fn every_tag(client: &Client, args: &PullArgs, repository: &Reference) -> Result<u8> {
    if has_tag_or_digest(&args.name) {
        return Err(Error::Conflict("tag can't be used with --all-tags/-a"));
    }
    let query = ImageCreateQuery {
        from_image: repository.familiar_name(),
        platform: args.platform.clone(),
        ..ImageCreateQuery::default()
    };
    let auth = credentials::for_registry(client.config(), &repository.domain).to_header();
    let body = client
        .stream(Call::new(Route::ImageCreate).params(&query).auth(auth))
        .await?;
    show_on_stdout(body, args.quiet).await?;
    let name = format!("{}/{}", repository.domain, repository.path);
    print(format_args!("{name}\n"))?;
    Ok(0)
}

/// Pulls from a directory or an archive of the daemon's host,
/// `oci-layout:/path[:tag]` or `docker-archive:/path[:name[:tag]]`.
async fn from_file(client: &Client, args: &PullArgs) -> Result<u8> {
    let query = ImageCreateQuery {
        from_image: args.name.clone(),
        platform: args.platform.clone(),
        ..ImageCreateQuery::default()
    };
    let body = client
        .stream(Call::new(Route::ImageCreate).params(&query))
        .await?;
    show_on_stdout(body, args.quiet).await?;
    Ok(0)
}

pub(super) async fn show_on_stdout(body: Incoming, quiet: bool) -> Result<()> {
    let stdout = std::io::stdout();
    match quiet {
        true => show(body, Quiet).await,
        false => {
            let columns = columns(stdout.is_terminal());
            show(body, PullProgress::new(stdout, columns)).await
        }
    }
}

/// Pulls with the progress on standard error, as standard output is the container's.
pub(crate) async fn for_container(
    client: &Client,
    reference: &Reference,
    flags: &ContainerFlags,
) -> Result<()> {
    let body = begin(client, reference, &flags.platform).await?;
    match flags.quiet {
        true => show(body, Quiet).await,
        false => {
            show(
                body,
                PullProgress::new(std::io::stderr(), columns(std::io::stderr().is_terminal())),
            )
            .await
        }
    }
}

/// Reads an image's name as docker does.
pub(crate) fn reference(text: &str) -> Result<Reference> {
    text.parse()
        .map_err(|error: bulkhead_model::reference::InvalidReference| {
            Error::Option(error.to_string())
        })
}

pub(super) fn has_tag_or_digest(name: &str) -> bool {
    name.contains('@')
        || name
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains(':'))
}

async fn begin(client: &Client, reference: &Reference, platform: &str) -> Result<Incoming> {
    let query = ImageCreateQuery {
        from_image: reference.familiar_name(),
        tag: reference.tag_or_digest().to_owned(),
        platform: platform.to_owned(),
        ..ImageCreateQuery::default()
    };
    let auth = credentials::for_registry(client.config(), &reference.domain).to_header();
    client
        .stream(Call::new(Route::ImageCreate).params(&query).auth(auth))
        .await
}

/// Where messages go.
trait Show {
    fn show(&mut self, message: &Progress) -> std::io::Result<()>;
}

struct Quiet;

impl Show for Quiet {
    fn show(&mut self, _: &Progress) -> std::io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Show for PullProgress<W> {
    fn show(&mut self, message: &Progress) -> std::io::Result<()> {
        PullProgress::show(self, message)
    }
}

async fn show(mut body: Incoming, mut to: impl Show) -> Result<()> {
    let mut pending = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            one_line(&line, &mut to)?;
        }
        if pending.len() > MAX_LINE {
            return Err(Error::Pull(
                "the daemon's progress cannot be read: a line without an end".into(),
            ));
        }
    }
    one_line(&pending, &mut to)
}

fn one_line(line: &[u8], to: &mut impl Show) -> Result<()> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let message: Progress = bulkhead_api::json::decode(line)?;
    // For programs alone.
    if message.aux.is_some() && message.status.is_empty() {
        return Ok(());
    }
    match (&message.error_detail, message.error.as_str()) {
        (Some(detail), _) => Err(Error::Pull(detail.message.clone())),
        (None, "") => to.show(&message).map_err(|source| Error::Io {
            doing: "show the pull's progress",
            source,
        }),
        (None, error) => Err(Error::Pull(error.to_owned())),
    }
}

fn columns(is_terminal: bool) -> Option<usize> {
    is_terminal.then(|| terminal::size().map_or(80, |(_, columns)| columns.into()))
}
