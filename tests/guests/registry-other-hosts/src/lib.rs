//! Asks hosts that it was not granted. The tag says which; `locate` points at one.

use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Method, Platform, Reference, RegistrySource, Response, Session,
};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl RegistrySource for Guest {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        _platform: &Platform,
    ) -> Result<Manifest> {
        let url = match reference.tag.as_deref() {
            Some("metadata") => "http://169.254.169.254/latest/meta-data/",
            Some("loopback") => "http://127.0.0.1:1/",
            Some("file") => "file:///etc/shadow",
            Some("userinfo") => "https://granted.example@evil.example/v2/",
            Some("split") => "https://granted.example/\r\nHost: evil.example\r\n\r\n",
            _ => "https://evil.example/v2/",
        };
        let answer = session.request(Method::Get, url, &[("Host", "granted.example")])?;
        Err(Error::internal(format!(
            "{url} answered {}",
            answer.status()
        )))
    }

    fn locate<S: Session>(_session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let url = format!("http://169.254.169.254/{}/{}", reference.path, blob.digest);
        Ok(Location::Url {
            url,
            headers: vec![("Authorization".into(), "Basic Zm9yZ2Vk".into())],
        })
    }
}

bulkhead_plugin_api::export_registry!(Guest);
