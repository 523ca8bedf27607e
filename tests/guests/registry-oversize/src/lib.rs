//! Returns a manifest of 64 MiB.

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
            media_type: "x".repeat(1 << 20),
            bytes: vec![b' '; 64 << 20],
            reference_digest: digest,
        })
    }

    fn locate<S: Session>(_session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let url = format!("https://{}/{}/", reference.domain, blob.digest).repeat(100_000);
        Ok(Location::Url {
            url,
            headers: Vec::new(),
        })
    }
}

bulkhead_plugin_api::export_registry!(Guest);
