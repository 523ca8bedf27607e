//! What an administrator put into a registry's own folder, as for Docker:
//! `*.crt` are authorities, `NAME.cert` and `NAME.key` are what we show.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use reqwest::Identity;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::FetchError;

/// Certificates for one registry.
#[derive(Default)]
pub(super) struct Own {
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// A certificate and its key, PEM.
    pub(super) identity: Option<Vec<u8>>,
    /// Differs when a file does.
    pub(super) fingerprint: u64,
}

impl Own {
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.identity.is_none()
    }
}

/// Reads a registry's folder; one that is missing holds nothing.
pub(super) fn read(dir: &Path) -> Result<Own, FetchError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| FetchError::Certificate { path, source }
    };
    let mut own = Own::default();
    let mut files = match std::fs::read_dir(dir) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<PathBuf>, _>>()
            .map_err(failed(dir))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(own),
        Err(error) => return Err(failed(dir)(error)),
    };
    files.sort();
    let mut hasher = DefaultHasher::new();
    for path in files {
        match path.extension().and_then(|e| e.to_str()) {
            Some("crt") => {
                let pem = std::fs::read(&path).map_err(failed(&path))?;
                pem.hash(&mut hasher);
                own.roots.extend(authorities(&pem).map_err(failed(&path))?);
            }
            Some("cert") => own.identity = Some(identity(&path, &mut hasher)?),
            Some("key") if !path.with_extension("cert").exists() => {
                let missing = io::Error::new(
                    io::ErrorKind::NotFound,
                    "a key without its certificate (.cert) beside it",
                );
                return Err(failed(&path)(missing));
            }
            _ => {}
        }
    }
    own.fingerprint = hasher.finish();
    Ok(own)
}

fn authorities(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem);
    certificates
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

fn identity(cert: &Path, hasher: &mut DefaultHasher) -> Result<Vec<u8>, FetchError> {
    let key = cert.with_extension("key");
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| FetchError::Certificate {
            path: path.display().to_string(),
            source,
        })
    };
    let mut pem = read(cert)?;
    pem.push(b'\n');
    pem.extend(read(&key)?);
    pem.hash(hasher);
    Identity::from_pem(&pem).map_err(|error| FetchError::Certificate {
        path: key.display().to_string(),
        source: io::Error::other(error),
    })?;
    Ok(pem)
}
