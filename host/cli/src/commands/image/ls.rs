//! `bulkhead images`

use bulkhead_api::image::ImageSummary;
use bulkhead_api::query::ImageListQuery;
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::filter::{FilterFlag, filters};
use crate::output::{Format, Heading, ago, date_time, decimal_size, print, row, short_id, show};
use crate::template::Row;

#[derive(Args, Debug, Default)]
#[command(override_usage = "[OPTIONS] [REPOSITORY[:TAG]]")]
pub(crate) struct ImagesArgs {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter the output (dangling=true, reference=PATTERN, ...)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// table, json, or text with {{.Repository}} and the like
    #[arg(long)]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image ids
    #[arg(short, long)]
    quiet: bool,
    /// List each image with all its names (EXPERIMENTAL)
    #[arg(long)]
    tree: bool,
    #[arg(value_name = "REPOSITORY[:TAG]", hide = true)]
    reference: Option<String>,
}

/// One line: an image under one of its names.
struct Named<'a> {
    image: &'a ImageSummary,
    repository: String,
    tag: String,
    digest: String,
}

pub(crate) const HEADINGS: &[Heading] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "VIRTUAL SIZE"),
];

const COLUMNS: &[&str] = &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"];

/// Those of `system df -v`.
pub(crate) const USAGE_COLUMNS: &[&str] = &[
    "Repository",
    "Tag",
    "ID",
    "CreatedSince",
    "Size",
    "SharedSize",
    "UniqueSize",
    "Containers",
];

/// A row for each image of `system df -v`.
pub(crate) fn usage_rows(images: &[ImageSummary], whole_ids: bool) -> Vec<Row> {
    let args = ImagesArgs {
        no_trunc: whole_ids,
        ..ImagesArgs::default()
    };
    let named = images.iter().flat_map(|image| names(image, false));
    named.map(|entry| args.fields(&entry)).collect()
}

pub(crate) async fn execute(client: &Client, args: &ImagesArgs) -> Result<u8> {
    if args.tree {
        args.refuse_beside_tree()?;
    }
    let form = match args.quiet {
        true => args.format.clone().unwrap_or_default(),
        false => client
            .config()
            .option("imagesFormat", args.format.as_deref())?,
    };
    let format = Format::parse(Some(&form))?;
    let mut filters = filters(&args.filter);
    if let Some(reference) = &args.reference {
        filters.add("reference", reference);
    }
    let query = ImageListQuery {
        all: args.all,
        filters,
        manifests: args.tree,
        ..ImageListQuery::default()
    };
    let images: Vec<ImageSummary> = client
        .json(Call::new(Route::ImageList).params(&query))
        .await?;
    if args.tree {
        return super::tree::show(images, args.all).map(|()| 0);
    }
    let named: Vec<Named<'_>> = images
        .iter()
        .flat_map(|image| names(image, args.digests))
        .collect();
    if args.quiet {
        named
            .iter()
            .try_for_each(|entry| print(format_args!("{}\n", args.id(entry.image))))?;
        return Ok(0);
    }
    let rows: Vec<Row> = named.iter().map(|entry| args.fields(entry)).collect();
    let columns: Vec<&str> = COLUMNS
        .iter()
        .copied()
        .filter(|column| args.digests || *column != "Digest")
        .collect();
    show(&rows, &format, HEADINGS, &columns)?;
    Ok(0)
}

impl ImagesArgs {
    fn refuse_beside_tree(&self) -> Result<()> {
        let refused = [
            (self.quiet, "--quiet"),
            (self.no_trunc, "--no-trunc"),
            (self.digests, "--show-digest"),
            (self.format.is_some(), "--format"),
        ];
        match refused.iter().find(|(given, _)| *given) {
            None => Ok(()),
            Some((_, flag)) => Err(Error::Plain(format!(
                "{flag} is not yet supported with --tree"
            ))),
        }
    }

    fn id(&self, image: &ImageSummary) -> String {
        if self.no_trunc {
            image.id.clone()
        } else {
            short_id(&image.id)
        }
    }

    fn fields(&self, entry: &Named<'_>) -> Row {
        let image = entry.image;
        // -1 for what was not counted.
        let counted = |number: i64| (number >= 0).then_some(number);
        let shared = counted(image.shared_size);
        let fields = json!({
            "Repository": entry.repository,
            "Tag": entry.tag,
            "Digest": entry.digest,
            "ID": self.id(entry.image),
            "CreatedSince": ago(entry.image.created),
            "CreatedAt": date_time(entry.image.created),
            "Size": decimal_size(entry.image.size, 3),
            "VirtualSize": decimal_size(image.size, 4),
            "Containers": counted(image.containers).map_or("N/A".to_owned(), |count| count.to_string()),
            "SharedSize": shared.map_or("N/A".to_owned(), |shared| decimal_size(shared, 4)),
            "UniqueSize": shared.map_or("N/A".to_owned(), |shared| decimal_size(image.size - shared, 4)),
        });
        row(fields, Default::default())
    }
}

/// An image's names: each tag with the digest of its repository, or
/// `<none>` for what is lacking.
fn names(image: &ImageSummary, digests: bool) -> Vec<Named<'_>> {
    let none = || "<none>".to_owned();
    let digest_of = |repository: &str| {
        let split = image
            .repo_digests
            .iter()
            .filter_map(|text| text.split_once('@'));
        split
            .filter(|(name, _)| *name == repository)
            .map(|(_, digest)| digest.to_owned())
            .next()
    };
    let tags = image
        .repo_tags
        .iter()
        .filter(|tag| *tag != "<none>:<none>")
        .filter_map(|tag| tag.rsplit_once(':'));
    let mut named: Vec<_> = tags
        .map(|(repository, tag)| Named {
            image,
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: digest_of(repository).unwrap_or_else(none),
        })
        .collect();
    if named.is_empty() {
        let first = image
            .repo_digests
            .first()
            .and_then(|text| text.split_once('@'));
        let (repository, digest) = first
            .filter(|(name, _)| *name != "<none>")
            .unwrap_or(("<none>", "<none>"));
        let digest = if digests { digest.to_owned() } else { none() };
        named.push(Named {
            image,
            repository: repository.to_owned(),
            tag: none(),
            digest,
        });
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(image: &ImageSummary) -> Vec<(String, String, String)> {
        names(image, true)
            .into_iter()
            .map(|n| (n.repository, n.tag, n.digest))
            .collect()
    }

    #[test]
    fn an_image_is_shown_once_under_each_tag() {
        let image = ImageSummary {
            repo_tags: vec!["localhost:5000/a:1".into(), "b:2".into()],
            repo_digests: vec!["localhost:5000/a@sha256:00".into()],
            ..Default::default()
        };
        let row = |r: &str, t: &str, d: &str| (r.to_owned(), t.to_owned(), d.to_owned());
        assert_eq!(
            shown(&image),
            [
                row("localhost:5000/a", "1", "sha256:00"),
                row("b", "2", "<none>")
            ]
        );
        assert_eq!(
            shown(&ImageSummary::default()),
            [row("<none>", "<none>", "<none>")]
        );
    }
}
