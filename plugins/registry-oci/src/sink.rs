//! Pushing (OCI distribution-spec, "Push").

use bulkhead_plugin_api::registry::{
    Blob, Manifest, Method, Reference, RegistrySink, Response, Session, Upload,
};
use bulkhead_plugin_api::{Digest, Error, Result};

use crate::failure;
use crate::repository::Repository;
use crate::source::Distribution;

/// Repositories a blob is asked for before it is sent.
const MAX_MOUNTS: usize = 3;

impl RegistrySink for Distribution {
    fn begin_upload<S: Session>(
        session: &S,
        reference: &Reference,
        blob: &Blob,
        mount_candidates: &[String],
    ) -> Result<Upload> {
        let others: Vec<String> = mount_candidates
            .iter()
            .filter(|path| **path != reference.path)
            .take(MAX_MOUNTS)
            .cloned()
            .collect();
        let repository = Repository::to_push(session, reference, &others)?;
        // A registry that does not tell is sent the blob.
        let there = repository.head(&repository.url(&format!("blobs/{}", blob.digest)))?;
        if there.status() == 200 {
            return Ok(Upload::Present);
        }
        for (at, from) in others.iter().enumerate() {
            let is_last = at + 1 == others.len();
            if let Some(upload) = mount(&repository, blob, from, is_last)? {
                return Ok(upload);
            }
        }
        open(&repository)
    }

    fn put_manifest<S: Session>(
        session: &S,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Digest> {
        let repository = Repository::to_push(session, reference, &[])?;
        let name = reference.tag.as_deref().unwrap_or(manifest.digest.as_str());
        let url = repository.url(&format!("manifests/{name}"));
        let headers = [("Content-Type", manifest.media_type.as_str())];
        let answer = repository.send(Method::Put, &url, &headers, &manifest.bytes)?;
        if !matches!(answer.status(), 200..=202) {
            return Err(failure::of_push(&answer, &url));
        }
        match answer.header("docker-content-digest") {
            Some(said) if said != manifest.digest.as_str() => Err(Error::invalid(format!(
                "the registry calls the manifest {said}, but it is {}",
                manifest.digest
            ))),
            _ => Ok(manifest.digest.clone()),
        }
    }
}

/// Has a blob taken over. A registry that will not opens an upload session
/// instead: the last one is used, others are given back.
fn mount<S: Session>(
    repository: &Repository<'_, S>,
    blob: &Blob,
    from: &str,
    is_last: bool,
) -> Result<Option<Upload>> {
    let path = format!("blobs/uploads/?mount={}&from={}", blob.digest, encode(from));
    let answer = repository.send(Method::Post, &repository.url(&path), &[], b"")?;
    match answer.status() {
        201 => Ok(Some(Upload::Mounted(from.to_owned()))),
        202 if is_last => session_of(repository, &answer).map(Some),
        202 => {
            if let Some(location) = answer.header("location") {
                // It would be removed after a week anyway.
                let _ = repository.send(Method::Delete, &repository.absolute(&location), &[], b"");
            }
            Ok(None)
        }
        // No access to the other repository, most likely.
        _ => Ok(None),
    }
}

fn open<S: Session>(repository: &Repository<'_, S>) -> Result<Upload> {
    let url = repository.url("blobs/uploads/");
    let answer = repository.send(Method::Post, &url, &[], b"")?;
    match answer.status() {
        202 => session_of(repository, &answer),
        _ => Err(failure::of_push(&answer, &url)),
    }
}

fn session_of<S: Session>(repository: &Repository<'_, S>, answer: &S::Response) -> Result<Upload> {
    let location = answer.header("location").ok_or_else(|| {
        Error::unavailable("the registry opened an upload but did not say where (no Location)")
    })?;
    Ok(Upload::Session {
        url: repository.absolute(&location),
        headers: Vec::new(),
    })
}

/// A repository in a query: only its slashes are not plain (distribution-spec,
/// "Pulling manifests": the characters of names).
fn encode(path: &str) -> String {
    path.replace('/', "%2F")
}

#[cfg(test)]
mod tests;
