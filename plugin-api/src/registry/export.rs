//! The glue between the contract's version 0.1.0 and the source trait.

use std::marker::PhantomData;

use super::{
    Blob, Location, Manifest, Method, Reference, RegistrySource, Response, Scheme, Session,
};
use crate::bindings::registry::bulkhead::plugin::registry_host as wit;
use crate::bindings::registry::exports::bulkhead::plugin::registry_source as exports;
use crate::bindings::storage::bulkhead::plugin::types;
use crate::{Error, Result, log};

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
        reference: exports::Reference,
        platform: String,
    ) -> WitResult<exports::Manifest> {
        log::report_panics();
        Ok(R::resolve(&session, &reference.try_into()?, &platform.parse()?)?.into())
    }

    fn locate(
        session: wit::Session,
        reference: exports::Reference,
        blob: exports::Blob,
    ) -> WitResult<exports::Location> {
        log::report_panics();
        Ok(R::locate(&session, &reference.try_into()?, &blob.try_into()?)?.into())
    }
}

impl TryFrom<exports::Reference> for Reference {
    type Error = Error;

    fn try_from(reference: exports::Reference) -> Result<Self> {
        Ok(Self {
            domain: reference.domain,
            path: reference.path,
            tag: reference.tag,
            digest: reference.digest.map(|digest| digest.parse()).transpose()?,
        })
    }
}

impl TryFrom<exports::Blob> for Blob {
    type Error = Error;

    fn try_from(blob: exports::Blob) -> Result<Self> {
        Ok(Self {
            digest: blob.digest.parse()?,
            size: blob.size,
            media_type: blob.media_type,
        })
    }
}

impl From<Manifest> for exports::Manifest {
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

impl Session for wit::Session {
    type Response = wit::Response;

    fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<wit::Response> {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ok(wit::Session::request(self, method.as_str(), url, &headers)?)
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

    fn allows_http(&self, registry: &str) -> bool {
        wit::Session::allows_http(self, registry)
    }
}
