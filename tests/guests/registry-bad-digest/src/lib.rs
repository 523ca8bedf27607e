//! Returns a manifest whose digest is not that of its bytes, and a blob that is
//! another one.

use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Platform, Reference, RegistrySource, Session,
};
use bulkhead_plugin_api::{Digest, Result};

struct Guest;

impl RegistrySource for Guest {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        _platform: &Platform,
    ) -> Result<Manifest> {
        let _ = session.allows_http(&reference.domain);
        let digest: Digest = format!("sha256:{}", "0".repeat(64)).parse()?;
        Ok(Manifest {
            digest: digest.clone(),
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            bytes: br#"{"schemaVersion":2,"config":{},"layers":[]}"#.to_vec(),
            reference_digest: digest,
        })
    }

    fn locate<S: Session>(_session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let url = format!(
            "http://{}/v2/{}/blobs/sha256:{}",
            reference.domain,
            reference.path,
            "1".repeat(64)
        );
        let _ = blob;
        Ok(Location::Url {
            url,
            headers: Vec::new(),
        })
    }
}

bulkhead_plugin_api::export_registry!(Guest);
