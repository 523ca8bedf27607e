//! What there is: documents, tags, referrers, repositories.

use bulkhead_plugin_api::oci::media_type;
use bulkhead_plugin_api::registry::{
    Found, Manifest, Reference, Referrer, RegistryCatalog, Response, Session,
};
use bulkhead_plugin_api::{Code, Digest, Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure;
use crate::repository::Repository;
use crate::source::Distribution;

/// Docker Hub's name in references, and its search service.
const HUB: (&str, &str) = ("docker.io", "https://index.docker.io/v1/search");
/// Entries of any list that are kept.
const MAX_ENTRIES: usize = 100_000;

impl RegistryCatalog for Distribution {
    fn document<S: Session>(session: &S, reference: &Reference) -> Result<Manifest> {
        let repository = Repository::new(session, reference)?;
        let fetched = repository.manifest(reference.tag_or_digest())?;
        let digest = Digest::of(&fetched.bytes);
        Ok(Manifest {
            media_type: media_type_of(&fetched.media_type, &fetched.bytes)?,
            reference_digest: digest.clone(),
            digest,
            bytes: fetched.bytes,
        })
    }

    fn tags<S: Session>(session: &S, reference: &Reference) -> Result<Vec<String>> {
        let repository = Repository::new(session, reference)?;
        let url = repository.url("tags/list?n=1000");
        let mut tags = Vec::new();
        let refused = repository.pages(&url, "application/json", |page| {
            let page: Tags = read(page)?;
            tags.extend(page.tags.unwrap_or_default());
            Ok(tags.len() >= MAX_ENTRIES)
        })?;
        match refused {
            Some(answer) => Err(failure::of(&answer, &url, reference)),
            None => Ok(tags),
        }
    }

    fn referrers<S: Session>(session: &S, reference: &Reference) -> Result<Vec<Referrer>> {
        let digest = reference.digest.as_ref().ok_or_else(|| {
            Error::invalid("referrers are listed by digest, and the reference has none")
        })?;
        let repository = Repository::new(session, reference)?;
        let url = repository.url(&format!("referrers/{digest}"));
        let mut referrers = Vec::new();
        let refused = repository.pages(&url, media_type::OCI_INDEX, |page| {
            referrers.extend(entries(&page.body())?);
            Ok(referrers.len() >= MAX_ENTRIES)
        })?;
        match refused {
            None => Ok(referrers),
            // Without the API there may be the tag that stands in for it
            // (distribution-spec, "Referrers Tag Schema").
            Some(answer) if matches!(answer.status(), 400 | 404 | 405) => {
                let tag = format!("sha256-{}", digest.hex());
                match repository.manifest(&tag) {
                    Ok(index) => entries(&index.bytes),
                    Err(error) if error.code == Code::NotFound => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            Some(answer) => Err(failure::of(&answer, &url, reference)),
        }
    }

    fn search<S: Session>(
        session: &S,
        registry: &str,
        term: &str,
        limit: u32,
    ) -> Result<Vec<Found>> {
        let limit = (limit as usize).min(MAX_ENTRIES);
        let whole = Reference {
            domain: registry.to_owned(),
            path: String::new(),
            tag: None,
            digest: None,
        };
        let repository = Repository::new(session, &whole)?;
        match registry == HUB.0 {
            true => of_hub(&repository, term, limit),
            false => of_catalog(&repository, term, limit),
        }
    }
}

fn of_hub<S: Session>(
    repository: &Repository<'_, S>,
    term: &str,
    limit: usize,
) -> Result<Vec<Found>> {
    let url = format!("{}?q={}&n={limit}", HUB.1, encode(term));
    let answer = repository.get(&url, "application/json")?;
    if answer.status() != 200 {
        return Err(failure::of_push(&answer, &url));
    }
    let results: Search = read(&answer)?;
    Ok(results
        .results
        .into_iter()
        .take(limit)
        .map(Into::into)
        .collect())
}

/// A registry of one's own counts no stars: its catalogue is what there is.
fn of_catalog<S: Session>(
    repository: &Repository<'_, S>,
    term: &str,
    limit: usize,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let refused = repository.pages("/v2/_catalog?n=1000", "application/json", |page| {
        let page: Catalog = read(page)?;
        let fitting = page.repositories.unwrap_or_default().into_iter();
        found.extend(
            fitting
                .filter(|name| name.contains(term))
                .map(|name| Found {
                    name,
                    ..Found::default()
                }),
        );
        Ok(found.len() >= limit)
    })?;
    found.truncate(limit);
    match refused {
        Some(answer) if matches!(answer.status(), 404 | 405) => Err(Error::unsupported(format!(
            "{} does not list its repositories",
            repository.reference.domain
        ))),
        Some(answer) => Err(failure::of_push(&answer, "/v2/_catalog")),
        None => Ok(found),
    }
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    results: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    star_count: u32,
    #[serde(default)]
    is_official: bool,
    #[serde(default)]
    is_automated: bool,
}

impl From<Hit> for Found {
    fn from(hit: Hit) -> Self {
        Self {
            name: hit.name,
            description: hit.description,
            stars: hit.star_count,
            is_official: hit.is_official,
            is_automated: hit.is_automated,
        }
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    artifact_type: String,
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

fn entries(index: &[u8]) -> Result<Vec<Referrer>> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| Error::invalid(format!("malformed list of referrers: {error}")))?;
    let referrer = |entry: Entry| {
        Ok(Referrer {
            digest: entry.digest.parse()?,
            size: entry.size,
            media_type: entry.media_type,
            artifact_type: entry.artifact_type,
            annotations: entry.annotations.unwrap_or_default().into_iter().collect(),
        })
    };
    index.manifests.into_iter().map(referrer).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    media_type: Option<String>,
}

/// What the document calls itself, else what the registry calls it.
fn media_type_of(declared: &str, bytes: &[u8]) -> Result<String> {
    let typed: Typed = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(format!("malformed manifest: {error}")))?;
    let declared = declared.split(';').next().unwrap_or_default().trim();
    Ok(typed.media_type.unwrap_or_else(|| declared.to_owned()))
}

fn read<R: Response, T: DeserializeOwned>(answer: &R) -> Result<T> {
    serde_json::from_slice(&answer.body())
        .map_err(|error| Error::invalid(format!("the registry's answer cannot be read: {error}")))
}

/// RFC 3986, section 2.3: what is not unreserved is escaped.
fn encode(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests;
