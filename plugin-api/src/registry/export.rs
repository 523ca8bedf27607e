//! The glue between the contract's version 0.1.0 and the source trait.

use std::marker::PhantomData;

use super::{
    Blob, Found, Location, Manifest, Method, Reference, Referrer, RegistryCatalog, RegistrySink,
    RegistrySource, Response, Scheme, Session, Upload,
};
use crate::bindings::registry::bulkhead::plugin::registry_host as wit;
use crate::bindings::registry::exports::bulkhead::plugin::registry_source as exports;
use crate::bindings::registry_browse::exports::bulkhead::plugin::registry_catalog as catalog;
use crate::bindings::registry_push::exports::bulkhead::plugin::registry_sink as sink;
use crate::bindings::storage::bulkhead::plugin::types;
use crate::{Digest, Error, Result, log};

/// A source as the component's export; made by [`export_registry!`](crate::export_registry).
pub struct Export<S>(PhantomData<S>);

type WitResult<T> = std::result::Result<T, types::Error>;

impl<R: RegistrySource> exports::Guest for Export<R> {
    fn features() -> Vec<String> {
        R::FEATURES
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect()
    }

    fn resolve(
        session: wit::Session,
        reference: wit::Reference,
        platform: String,
    ) -> WitResult<wit::Manifest> {
        log::report_panics();
        Ok(R::resolve(&session, &reference.try_into()?, &platform.parse()?)?.into())
    }

    fn locate(
        session: wit::Session,
        reference: wit::Reference,
        blob: wit::Blob,
    ) -> WitResult<exports::Location> {
        log::report_panics();
        Ok(R::locate(&session, &reference.try_into()?, &blob.try_into()?)?.into())
    }
}

impl<R: RegistrySink> sink::Guest for Export<R> {
    fn begin_upload(
        session: wit::Session,
        reference: wit::Reference,
        blob: wit::Blob,
        mount_candidates: Vec<String>,
    ) -> WitResult<sink::Upload> {
        log::report_panics();
        let (reference, blob) = (reference.try_into()?, blob.try_into()?);
        Ok(R::begin_upload(&session, &reference, &blob, &mount_candidates)?.into())
    }

    fn put_manifest(
        session: wit::Session,
        reference: wit::Reference,
        manifest: wit::Manifest,
    ) -> WitResult<String> {
        log::report_panics();
        let digest = R::put_manifest(&session, &reference.try_into()?, &manifest.try_into()?)?;
        Ok(digest.to_string())
    }
}

impl<R: RegistryCatalog> catalog::Guest for Export<R> {
    fn document(session: wit::Session, reference: wit::Reference) -> WitResult<wit::Manifest> {
        log::report_panics();
        Ok(R::document(&session, &reference.try_into()?)?.into())
    }

    fn tags(session: wit::Session, reference: wit::Reference) -> WitResult<Vec<String>> {
        log::report_panics();
        Ok(R::tags(&session, &reference.try_into()?)?)
    }

    fn referrers(
        session: wit::Session,
        reference: wit::Reference,
    ) -> WitResult<Vec<catalog::Referrer>> {
        log::report_panics();
        let referrers = R::referrers(&session, &reference.try_into()?)?;
        Ok(referrers.into_iter().map(Into::into).collect())
    }

    fn search(
        session: wit::Session,
        registry: String,
        term: String,
        limit: u32,
    ) -> WitResult<Vec<catalog::Found>> {
        log::report_panics();
        let found = R::search(&session, &registry, &term, limit)?;
        Ok(found.into_iter().map(Into::into).collect())
    }
}

impl From<Upload> for sink::Upload {
    fn from(upload: Upload) -> Self {
        match upload {
            Upload::Present => Self::Present,
            Upload::Mounted(from) => Self::Mounted(from),
            Upload::Session { url, headers } => Self::Session((url, headers)),
        }
    }
}

impl From<Referrer> for catalog::Referrer {
    fn from(referrer: Referrer) -> Self {
        Self {
            digest: referrer.digest.to_string(),
            size: referrer.size,
            media_type: referrer.media_type,
            artifact_type: referrer.artifact_type,
            annotations: referrer.annotations,
        }
    }
}

impl From<Found> for catalog::Found {
    fn from(found: Found) -> Self {
        Self {
            name: found.name,
            description: found.description,
            stars: found.stars,
            is_official: found.is_official,
            is_automated: found.is_automated,
        }
    }
}

impl TryFrom<wit::Manifest> for Manifest {
    type Error = Error;

    fn try_from(manifest: wit::Manifest) -> Result<Self> {
        Ok(Self {
            digest: manifest.digest.parse()?,
            media_type: manifest.media_type,
            bytes: manifest.bytes,
            reference_digest: manifest.reference_digest.parse()?,
        })
    }
}

impl TryFrom<wit::Reference> for Reference {
    type Error = Error;

    fn try_from(reference: wit::Reference) -> Result<Self> {
        Ok(Self {
            domain: reference.domain,
            path: reference.path,
            tag: reference.tag,
            digest: reference.digest.map(|digest| digest.parse()).transpose()?,
        })
    }
}

impl TryFrom<wit::Blob> for Blob {
    type Error = Error;

    fn try_from(blob: wit::Blob) -> Result<Self> {
        Ok(Self {
            digest: blob.digest.parse()?,
            size: blob.size,
            media_type: blob.media_type,
        })
    }
}

impl From<Manifest> for wit::Manifest {
    fn from(manifest: Manifest) -> Self {
        Self {
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type,
            bytes: manifest.bytes,
            reference_digest: manifest.reference_digest.to_string(),
        }
    }
}

impl From<Location> for exports::Location {
    fn from(location: Location) -> Self {
        match location {
            Location::Url { url, headers } => exports::Location::Url((url, headers)),
            Location::File(path) => exports::Location::File(path),
        }
    }
}

impl Response for wit::Response {
    fn status(&self) -> u16 {
        wit::Response::status(self)
    }

    fn header(&self, name: &str) -> Option<String> {
        wit::Response::header(self, name)
    }

    fn body(&self) -> Vec<u8> {
        wit::Response::body(self)
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

impl Session for wit::Session {
    type Response = wit::Response;

    fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<wit::Response> {
        let headers = owned(headers);
        Ok(wit::Session::request(self, method.as_str(), url, &headers)?)
    }

    fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<wit::Response> {
        let headers = owned(headers);
        Ok(wit::Session::send(
            self,
            method.as_str(),
            url,
            &headers,
            body,
        )?)
    }

    fn authenticate(
        &self,
        registry: &str,
        scheme: Scheme,
        params: &[(String, String)],
    ) -> Result<()> {
        Ok(wit::Session::authenticate(
            self,
            registry,
            scheme.as_str(),
            params,
        )?)
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        Ok(wit::Session::read_file(self, path)?)
    }

    fn file_size(&self, path: &str) -> Result<u64> {
        Ok(wit::Session::file_size(self, path)?)
    }

    fn file_digest(&self, path: &str) -> Result<Digest> {
        wit::Session::file_digest(self, path)?.parse()
    }

    fn file_compression(&self, path: &str) -> Result<String> {
        Ok(wit::Session::file_compression(self, path)?)
    }

    fn allows_http(&self, registry: &str) -> bool {
        wit::Session::allows_http(self, registry)
    }
}
