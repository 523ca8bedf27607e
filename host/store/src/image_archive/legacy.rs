//! Archives from before Docker 1.10 (Docker's "Image Specification v1.0"):
//! a folder per layer, with `json` and `layer.tar`, and `repositories`, which
//! names the highest layer for each name and tag.
//!
//! The configuration of such an image is what Docker makes of it (moby
//! `image/v1`): the highest layer's `json` without what named layers, with
//! `rootfs` and `history` of all of them. It has the id that Docker gives it.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::docker::MAX_IMAGES;
use super::document;
use super::error::ArchiveError;
use super::members::{Members, shown};
use crate::manifest::{MAX_LAYERS, ManifestError, from_json};
use crate::{Blobs, Spooled};

/// Fields that are no part of a configuration.
const OF_THE_LAYER: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

type Fields = BTreeMap<String, Value>;

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

/// In the order of Docker's fields.
#[derive(Serialize)]
struct History {
    created: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
}

#[derive(Default, Deserialize)]
struct Command {
    #[serde(rename = "Cmd")]
    cmd: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Adds what newer archives have, `manifest.json` and configurations, to one
/// that has only `repositories`.
pub(super) fn complete<'a>(
    blobs: &'a Blobs,
    members: &mut Members<Spooled<'a>>,
) -> Result<(), ArchiveError> {
    let is_new = members.has("manifest.json") || members.has("index.json");
    if is_new || !members.has("repositories") {
        return Ok(());
    }
    let mut items = Vec::new();
    for (highest, repo_tags) in tags(members)? {
        let (config, layers) = image(members, &highest)?;
        let name = format!("{highest}.json");
        members.file(&name, blobs.spool_bytes(config.as_bytes())?)?;
        items.push(Item {
            config: name,
            repo_tags,
            layers,
        });
    }
    let list = serde_json::to_vec(&items).expect("strings always serialize");
    members.file("manifest.json", blobs.spool_bytes(&list)?)
}

/// Each image's highest layer and tags.
fn tags(members: &Members<Spooled<'_>>) -> Result<BTreeMap<String, Vec<String>>, ArchiveError> {
    let name = "repositories";
    let repositories: BTreeMap<String, BTreeMap<String, String>> =
        from_json(name, &document(name, members.find(name)?)?)?;
    let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (repository, tags) in &repositories {
        for (tag, highest) in tags {
            let names = images.entry(highest.clone()).or_default();
            names.push(format!("{repository}:{tag}"));
        }
    }
    if images.len() > MAX_IMAGES {
        return Err(ArchiveError::Limit {
            what: "images",
            limit: MAX_IMAGES,
        });
    }
    Ok(images)
}

/// The configuration of an image and its layers' names, lowest first.
fn image(
    members: &Members<Spooled<'_>>,
    highest: &str,
) -> Result<(String, Vec<String>), ArchiveError> {
    let (mut layers, mut history, mut diff_ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut fields = None;
    let mut next = Some(highest.to_owned());
    while let Some(id) = next {
        if layers.len() == MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(layers.len() + 1).into());
        }
        let json: Fields = from_json(
            "json",
            &document("json", members.find(&format!("{id}/json"))?)?,
        )?;
        let layer = format!("{id}/layer.tar");
        diff_ids.push(members.find(&layer)?.digest().to_string());
        layers.push(layer);
        history.push(step(&json));
        next = text(&json, "parent").filter(|parent| !parent.is_empty());
        if !seen.insert(id) {
            return Err(ArchiveError::Parents(shown(highest)));
        }
        fields.get_or_insert(json);
    }
    for list in [&mut layers, &mut diff_ids] {
        list.reverse();
    }
    history.reverse();
    Ok((
        config(fields.unwrap_or_default(), diff_ids, &history),
        layers,
    ))
}

fn config(fields: Fields, diff_ids: Vec<String>, history: &[History]) -> String {
    let mut parts: BTreeMap<String, String> = fields
        .iter()
        .filter(|(name, _)| !OF_THE_LAYER.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), json(value)))
        .collect();
    let root_fs = RootFs {
        r#type: "layers",
        diff_ids,
    };
    parts.insert("rootfs".to_owned(), json(&root_fs));
    parts.insert("history".to_owned(), json(&history));
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, text)| format!("{}:{text}", json(name)))
        .collect();
    as_go(&format!("{{{}}}", parts.join(",")))
}

fn step(json: &Fields) -> History {
    let command = json.get("container_config").cloned();
    let command: Command = command
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_default();
    let field = |name| text(json, name).unwrap_or_default();
    History {
        created: json.get("created").cloned().unwrap_or_default(),
        author: field("author"),
        created_by: command.cmd.unwrap_or_default().join(" "),
        comment: field("comment"),
    }
}

fn text(json: &Fields, name: &str) -> Option<String> {
    json.get(name)?.as_str().map(str::to_owned)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialize")
}

/// Go's encoder escapes what would matter in HTML, even in JSON it only passes
/// on. Outside of strings these characters do not occur.
fn as_go(json: &str) -> String {
    let mut text = json.to_owned();
    for c in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
        text = text.replace(c, &format!("\\u{:04x}", u32::from(c)));
    }
    text
}
