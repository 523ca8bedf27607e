//! `POST /images/{name}/push`

use std::sync::{Arc, Mutex};

use bulkhead_api::query::ImagePushQuery;
use bulkhead_engine::Waiting;
use bulkhead_engine::push::{Format, PushRequest};
use bulkhead_model::Reference;
use bulkhead_store::compress::Compression;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::{credentials, progress, query};
use crate::convert;
use crate::daemon::Daemon;
use crate::reply::Body;
use crate::status::ApiError;

/// Pushes a tag, or all of a repository.
pub async fn push(
    daemon: &Arc<Daemon>,
    name: String,
    text: &str,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let asked: ImagePushQuery = query(text)?;
    let mut push = PushRequest {
        reference: reference(&name, &asked.tag)?,
        credentials: credentials::of(request)?,
        compression: match asked.compression.as_str() {
            "" | "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            _ => return Err(ApiError::PushOption("compression", asked.compression)),
        },
        format: match asked.format.as_str() {
            "" | "docker" => Format::Docker,
            "oci" => Format::Oci,
            _ => return Err(ApiError::PushOption("format", asked.format)),
        },
        waiting: Waiting::default(),
    };
    progress::answer(daemon, move |engine, tell, reader| {
        push.waiting = Waiting::new(move || reader.is_there());
        let lines = Mutex::new(convert::push::Lines::default());
        engine.push(&push, &|event| {
            let told = lines.lock().expect("push lines").of(event);
            told.into_iter().for_each(tell);
        })
    })
    .await
}

/// A repository, with the tag that the name or the query has.
fn reference(name: &str, tag: &str) -> Result<Reference, ApiError> {
    let tagged = match tag {
        "" => name.to_owned(),
        tag => format!("{name}:{tag}"),
    };
    let parsed: Reference = tagged.parse()?;
    let has_tag = name
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    Ok(match tag.is_empty() && !has_tag {
        true => Reference {
            tag: None,
            ..parsed
        },
        false => parsed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_tag_the_whole_repository_is_meant() {
        let tag = |name: &str, tag: &str| reference(name, tag).unwrap().tag;
        assert_eq!(tag("localhost:5000/x", ""), None);
        assert_eq!(tag("localhost:5000/x", "1").as_deref(), Some("1"));
        assert_eq!(tag("localhost:5000/x:2", "").as_deref(), Some("2"));
    }
}
