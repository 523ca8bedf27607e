//! Reads and points at files outside the source's directory. The tag says which.

use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Platform, Reference, RegistrySource, Session,
};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl RegistrySource for Guest {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        _platform: &Platform,
    ) -> Result<Manifest> {
        let path = match reference.tag.as_deref() {
            Some("dotdot") => "../../../../etc/shadow",
            Some("absolute") => "/etc/shadow",
            Some("nested") => "blobs/../../../../etc/shadow",
            Some("link") => "link",
            _ => "index.json/../../secret",
        };
        let bytes = session.read_file(path)?;
        Err(Error::internal(format!(
            "read {} bytes of {path}",
            bytes.len()
        )))
    }

    fn locate<S: Session>(_session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let path = match reference.tag.as_deref() {
            Some("absolute") => "/etc/shadow".into(),
            _ => format!("../../{}", blob.digest.hex()),
        };
        Ok(Location::File(path))
    }
}

bulkhead_plugin_api::export_registry!(Guest);
