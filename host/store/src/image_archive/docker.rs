//! `manifest.json` of a docker-archive (moby `image/tarexport`).

use bulkhead_model::Reference;
use serde::Deserialize;

use super::error::ArchiveError;
use super::members::{Members, shown};
use super::{Found, document};
use crate::Spooled;
use crate::manifest::{MAX_LAYERS, ManifestError, from_json};

/// The most images of one archive.
pub(super) const MAX_IMAGES: usize = 1000;

/// One image.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    pub(super) config: String,
    // Docker writes null for an image without tags or layers.
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Option<Vec<String>>,
}

pub(super) fn images<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
) -> Result<Vec<Found<'m, 'a>>, ArchiveError> {
    let name = "manifest.json";
    let items: Vec<Item> = from_json(name, &document(name, members.find(name)?)?)?;
    if items.len() > MAX_IMAGES {
        return Err(ArchiveError::Limit {
            what: "images",
            limit: MAX_IMAGES,
        });
    }
    items.iter().map(|item| found(members, item)).collect()
}

pub(super) fn found<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
    item: &Item,
) -> Result<Found<'m, 'a>, ArchiveError> {
    let layers = item.layers.as_deref().unwrap_or_default();
    if layers.len() > MAX_LAYERS {
        return Err(ManifestError::TooManyLayers(layers.len()).into());
    }
    let tags = item.repo_tags.iter().flatten();
    Ok(Found {
        config: members.find(&item.config)?,
        layers: layers
            .iter()
            .map(|name| members.find(name))
            .collect::<Result<_, _>>()?,
        manifest: None,
        names: tags.map(|tag| name(tag)).collect::<Result<_, _>>()?,
    })
}

fn name(tag: &str) -> Result<Reference, ArchiveError> {
    let named: Result<Reference, _> = tag.parse();
    match named {
        // A name without a tag would get `latest`, which nobody wrote.
        Ok(name) if name.digest.is_none() && tag.ends_with(&suffix(&name)) => Ok(name),
        _ => Err(ArchiveError::Tag(shown(tag))),
    }
}

fn suffix(name: &Reference) -> String {
    format!(":{}", name.tag.as_deref().unwrap_or_default())
}
