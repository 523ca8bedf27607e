//! Pulling (OCI distribution-spec, "Pull").

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::oci::resolve;
use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Platform, Reference, RegistrySource, Session,
};

use crate::endpoint;
use crate::repository::Repository;

/// The source.
pub(crate) struct Distribution;

impl RegistrySource for Distribution {
    const FEATURES: &'static [&'static str] = &["push", "catalog"];

    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Manifest> {
        let repository = Repository::new(session, reference)?;
        let named = repository.manifest(reference.tag_or_digest())?;
        resolve(named, platform, |entry| {
            repository.manifest(entry.digest.as_str())
        })
    }

    fn locate<S: Session>(session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let base = endpoint::base(session, &reference.domain)?;
        let url = format!("{base}/v2/{}/blobs/{}", reference.path, blob.digest);
        Ok(Location::Url {
            url,
            headers: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
