//! What registries have: `/distribution` and `GET /images/search`.

use std::sync::Arc;

use bulkhead_api::image::{
    Descriptor, DistributionInspect, DistributionPlatform, Referrer, SearchResult,
};
use bulkhead_api::query::ImageSearchQuery;
use bulkhead_model::registry::{FoundRepository, ResolvedManifest};
use bulkhead_model::{Platform, Reference};
use bulkhead_store::manifest::{self, Document};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{credentials, query};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// Docker's default of `docker search --limit`, and its most.
const RESULTS: (u32, u32) = (25, 100);
const HUB: &str = "docker.io";

/// `GET /distribution/{name}/json`
pub async fn inspect(daemon: &Arc<Daemon>, name: &str, request: &Request<Incoming>) -> Answer {
    let (reference, login) = (name.parse::<Reference>()?, credentials::of(request)?);
    let answer = daemon
        .blocking(move |engine| {
            let found = engine.registry_document(&reference, login.as_ref())?;
            let platforms: Vec<Platform> = match manifest::parse(&found.media_type, &found.bytes)? {
                Document::Index(entries) => {
                    entries.into_iter().filter_map(|e| e.platform).collect()
                }
                Document::Manifest(image) => engine
                    .registry_platform(&reference, &image.config, login.as_ref())?
                    .into_iter()
                    .collect(),
            };
            Ok(DistributionInspect {
                descriptor: descriptor(&found),
                platforms: platforms.into_iter().map(platform).collect(),
            })
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `GET /distribution/{name}/manifest`: the document's own bytes.
pub async fn document(daemon: &Arc<Daemon>, name: &str, request: &Request<Incoming>) -> Answer {
    let (reference, login) = (name.parse::<Reference>()?, credentials::of(request)?);
    let found = daemon
        .blocking(move |engine| engine.registry_document(&reference, login.as_ref()))
        .await?;
    Ok(reply::document(&found.media_type, found.bytes))
}

/// `GET /distribution/{name}/referrers`
pub async fn referrers(daemon: &Arc<Daemon>, name: &str, request: &Request<Incoming>) -> Answer {
    let (reference, login) = (name.parse::<Reference>()?, credentials::of(request)?);
    let found = daemon
        .blocking(move |engine| engine.registry_referrers(&reference, login.as_ref()))
        .await?;
    let rows = found.into_iter().map(|referrer| Referrer {
        media_type: referrer.media_type,
        digest: referrer.digest.to_string(),
        size: i64::try_from(referrer.size).unwrap_or(i64::MAX),
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations.into_iter().collect(),
    });
    Ok(reply::json(StatusCode::OK, &rows.collect::<Vec<_>>()))
}

/// `GET /images/search`: of Docker Hub, or of the registry that the term
/// begins with, as in `localhost:5000/name`.
pub async fn search(daemon: &Arc<Daemon>, text: &str, request: &Request<Incoming>) -> Answer {
    let asked: ImageSearchQuery = query(text)?;
    asked
        .filters
        .only(&["is-automated", "is-official", "stars"])?;
    let limit = asked.limit.filter(|limit| *limit > 0).unwrap_or(RESULTS.0);
    if limit > RESULTS.1 {
        return Err(ApiError::SearchLimit(limit));
    }
    let (registry, term) = split(&asked.term);
    let (own, login) = (registry.clone(), credentials::of(request)?);
    let found = daemon
        .blocking(move |engine| engine.registry_search(&registry, &term, limit, login.as_ref()))
        .await?;
    let fits = |found: &FoundRepository| {
        let flag = |value: &str, is: bool| matches!(value, "true" | "1") == is;
        let enough = |value: &str| value.parse::<u32>().is_ok_and(|least| found.stars >= least);
        asked
            .filters
            .matches("is-official", |v| flag(v, found.is_official))
            && asked
                .filters
                .matches("is-automated", |v| flag(v, found.is_automated))
            && asked.filters.matches("stars", enough)
    };
    let rows = found.into_iter().filter(fits).map(|found| SearchResult {
        star_count: found.stars.into(),
        is_official: found.is_official,
        name: match own.as_str() {
            HUB => found.name,
            own => format!("{own}/{}", found.name),
        },
        is_automated: found.is_automated,
        description: found.description,
    });
    Ok(reply::json(StatusCode::OK, &rows.collect::<Vec<_>>()))
}

/// A registry is what has a dot, a colon, or is localhost, as in references.
fn split(term: &str) -> (String, String) {
    match term.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            let host = if host == "index.docker.io" { HUB } else { host };
            (host.to_owned(), rest.to_owned())
        }
        _ => (HUB.to_owned(), term.to_owned()),
    }
}

fn descriptor(found: &ResolvedManifest) -> Descriptor {
    Descriptor {
        media_type: found.media_type.clone(),
        digest: found.digest.to_string(),
        size: i64::try_from(found.bytes.len()).unwrap_or(i64::MAX),
    }
}

fn platform(platform: Platform) -> DistributionPlatform {
    DistributionPlatform {
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant.unwrap_or_default(),
        ..DistributionPlatform::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_may_begin_with_a_registry() {
        let split = |term| {
            let (registry, term) = split(term);
            format!("{registry} {term}")
        };
        assert_eq!(split("busybox"), "docker.io busybox");
        assert_eq!(split("library/busybox"), "docker.io library/busybox");
        assert_eq!(split("localhost:5000/bb"), "localhost:5000 bb");
        assert_eq!(split("index.docker.io/bb"), "docker.io bb");
    }
}
