//! What is where in an archive. It has no manifest: one is made of what the
//! host knows of configuration and layers, byte for byte the one that `load`
//! makes.

use bulkhead_plugin_api::oci::media_type;
use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Platform, Reference, RegistrySource, Session,
};
use bulkhead_plugin_api::{Code, Digest, Error, Result};
use serde::{Deserialize, Serialize};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// How many names an error lists.
const SHOWN: usize = 10;

/// The source.
pub(crate) struct Archive;

/// An image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    // Docker writes null for an image without tags or layers.
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u8,
    media_type: &'static str,
    config: Part,
    layers: Vec<Part>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: String,
    digest: String,
    size: u64,
}

impl RegistrySource for Archive {
    const FEATURES: &'static [&'static str] = &["archive"];

    fn resolve<S: Session>(session: &S, reference: &Reference, _: &Platform) -> Result<Manifest> {
        let items = items(session)?;
        let item = choose(&items, reference)?;
        let layers = item.layers.iter().flatten();
        let document = Document {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST,
            config: part(session, &item.config, CONFIG.to_owned())?,
            layers: layers
                .map(|name| part(session, name, layer_type(session, name)?))
                .collect::<Result<_>>()?,
        };
        let bytes = serde_json::to_vec(&document)
            .map_err(|error| Error::internal(format!("write the manifest: {error}")))?;
        let digest = Digest::of(&bytes);
        Ok(Manifest {
            reference_digest: digest.clone(),
            digest,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            bytes,
        })
    }

    fn locate<S: Session>(session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let items = items(session)?;
        let item = choose(&items, reference)?;
        for name in [&item.config]
            .into_iter()
            .chain(item.layers.iter().flatten())
        {
            if session.file_digest(name)? == blob.digest {
                return Ok(Location::File(name.clone()));
            }
        }
        Err(Error::not_found(format!(
            "{} not found in the image archive",
            blob.digest
        )))
    }
}

fn items<S: Session>(session: &S) -> Result<Vec<Item>> {
    let bytes = session.read_file("manifest.json").map_err(|error| {
        match error.code == Code::NotFound && session.read_file("repositories").is_ok() {
            true => Error::unsupported(
                "the image archive is of Docker before 1.10 and has no manifest.json: \
                 `load` takes it in, and `save` writes it anew",
            ),
            false => error,
        }
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::invalid(format!("malformed manifest.json: {error}")))
}

/// The image that `reference` names; the only one needs no name.
fn choose<'a>(items: &'a [Item], reference: &Reference) -> Result<&'a Item> {
    if reference.digest.is_some() {
        return Err(Error::unsupported(
            "an image archive keeps no digests of manifests: name the image by its tag",
        ));
    }
    let named = |item: &&Item| {
        item.repo_tags
            .iter()
            .flatten()
            .any(|tag| names(reference, tag))
    };
    match (&reference.tag, items) {
        (_, []) => Err(Error::not_found("the image archive has no image")),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::invalid(format!(
            "the image archive has {} images, name one of them: {}",
            items.len(),
            tags(items)
        ))),
        (Some(_), [only]) if only.repo_tags.iter().flatten().next().is_none() => Ok(only),
        (Some(_), _) => items.iter().find(named).ok_or_else(|| {
            Error::not_found(format!(
                "manifest for {} not found in the image archive, which has {}",
                reference.familiar(),
                tags(items)
            ))
        }),
    }
}

/// Docker writes the short reference, others the full one.
fn names(reference: &Reference, tag: &str) -> bool {
    tag == reference.familiar() || tag == reference.to_string()
}

fn tags(items: &[Item]) -> String {
    let all = items
        .iter()
        .flat_map(|item| item.repo_tags.iter().flatten());
    let shown: Vec<&str> = all.take(SHOWN).map(String::as_str).collect();
    match shown.as_slice() {
        [] => "no names".to_owned(),
        shown => shown.join(", "),
    }
}

fn part<S: Session>(session: &S, name: &str, media_type: String) -> Result<Part> {
    Ok(Part {
        media_type,
        digest: session.file_digest(name)?.to_string(),
        size: session.file_size(name)?,
    })
}

fn layer_type<S: Session>(session: &S, name: &str) -> Result<String> {
    match session.file_compression(name)?.as_str() {
        "none" => Ok(LAYER.to_owned()),
        known @ ("gzip" | "zstd") => Ok(format!("{LAYER}+{known}")),
        other => Err(Error::unsupported(format!(
            "layer {name} is compressed with {other}, which has no media type: load the archive"
        ))),
    }
}

#[cfg(test)]
mod tests;
