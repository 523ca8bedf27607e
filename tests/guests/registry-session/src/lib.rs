//! Sends where and what it must not, and asks for files that are none of its
//! own. The tag says which.

use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Method, Platform, Reference, RegistrySource, Session,
};
use bulkhead_plugin_api::{Error, Result};

const HERE: &str = "http://localhost:5000/v2/";

struct Guest;

impl RegistrySource for Guest {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        _platform: &Platform,
    ) -> Result<Manifest> {
        let attempt = reference.tag.as_deref().unwrap_or_default();
        let send = |url: &str, body: &[u8]| session.send(Method::Put, url, &[], body).map(drop);
        match attempt {
            "send" => send(HERE, b"x")?,
            "send-huge" => send(HERE, &vec![0; 48 << 20])?,
            "send-long" => send(&HERE.repeat(400_000), b"x")?,
            "send-headers" => {
                let headers = vec![("x", "y"); 1_000_000];
                session.send(Method::Post, HERE, &headers, b"x").map(drop)?;
            }
            "send-endless" => loop {
                send(HERE, b"x")?;
            },
            "files-endless" => loop {
                session.file_digest("layer.tar")?;
            },
            "files" => {
                for path in [
                    "",
                    "..",
                    "../../etc/shadow",
                    "/etc/shadow",
                    "a/./b",
                    "a/../../b",
                    "a\0b",
                    &"a/".repeat(1 << 20),
                ] {
                    let sized = session.file_size(path).is_ok();
                    let hashed = session.file_digest(path).is_ok();
                    if sized || hashed || session.file_compression(path).is_ok() {
                        return Err(Error::internal(format!("looked at {path:?}")));
                    }
                }
                return Err(Error::invalid("refused each of them"));
            }
            _ => {}
        }
        Err(Error::internal(format!("{attempt} went well")))
    }

    fn locate<S: Session>(_: &S, _: &Reference, _: &Blob) -> Result<Location> {
        Ok(Location::File("a/../../../etc/shadow".into()))
    }
}

bulkhead_plugin_api::export_registry!(Guest);
