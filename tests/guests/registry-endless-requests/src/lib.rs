//! Sends requests without an end.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Method, Platform, Reference, RegistrySource, Session,
};

struct Guest;

impl RegistrySource for Guest {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        _platform: &Platform,
    ) -> Result<Manifest> {
        let url = format!("http://{}/v2/", reference.domain);
        loop {
            let _ = session.request(Method::Get, &url, &[]);
        }
    }

    fn locate<S: Session>(_session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let url = format!(
            "http://{}/v2/{}/blobs/{}",
            reference.domain, reference.path, blob.digest
        );
        Ok(Location::Url {
            url,
            headers: Vec::new(),
        })
    }
}

bulkhead_plugin_api::export_registry!(Guest);
