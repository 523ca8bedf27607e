//! Where images come from, as the engine's `Fetcher`: registries through the
//! HTTP fetcher, directories and archives of this host, and the files embedded in
//! this program.

mod archive;

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use bulkhead_fetch::{Credentials as FetchCredentials, FetchError, Session, SessionRequest};
use bulkhead_model::Reference;
use bulkhead_model::error::{ErrorKind, Failure, Kind};
use bulkhead_model::registry::{
    BlobDescriptor, BlobLocation, BlobSink, Credentials, FetchSession, Fetcher, RegistrySession,
    RegistrySource, Response, SessionError, SourceDirectory,
};
use bulkhead_store::{Store, StoreError};

/// Opens sessions for the engine.
pub struct Sources {
    /// Brings bytes from registries.
    pub fetcher: Arc<bulkhead_fetch::Fetcher>,
    /// Where they go.
    pub store: Arc<Store>,
}

/// A directory or a file a user named cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open {path}")]
struct OpenSource {
    path: String,
    source: std::io::Error,
}

impl Kind for OpenSource {
    fn kind(&self) -> ErrorKind {
        match self.source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::InvalidArgument,
        }
    }
}

impl Fetcher for Sources {
    fn session(
        &self,
        source: &dyn RegistrySource,
        reference: &Reference,
        directory: &SourceDirectory,
        credentials: Option<&Credentials>,
    ) -> Result<Box<dyn FetchSession>, Failure> {
        let directory = match directory {
            SourceDirectory::Embedded(files) => {
                return Ok(Box::new(Embedded {
                    files,
                    store: self.store.clone(),
                }));
            }
            SourceDirectory::Archive(path) => {
                let archived = archive::Archived::open(path, self.store.clone())?;
                return Ok(Box::new(archived));
            }
            SourceDirectory::Host(path) => Some(open_directory(path).map_err(Failure::new)?),
            SourceDirectory::None => None,
        };
        let session = self.fetcher.session(SessionRequest {
            registry: reference.domain.clone(),
            granted_hosts: source.granted_hosts().to_vec(),
            credentials: credentials.map(login),
            directory,
        });
        Ok(Box::new(Remote {
            session,
            store: self.store.clone(),
        }))
    }
}

fn login(credentials: &Credentials) -> FetchCredentials {
    if !credentials.registry_token.is_empty() {
        FetchCredentials::RegistryToken(credentials.registry_token.clone())
    } else if credentials.identity_token.is_empty() {
        FetchCredentials::Basic {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
        }
    } else {
        FetchCredentials::IdentityToken(credentials.identity_token.clone())
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, OpenSource> {
    open(path, nix::libc::O_DIRECTORY).map(OwnedFd::from)
}

fn open(path: &Path, flags: i32) -> Result<File, OpenSource> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags | nix::libc::O_CLOEXEC)
        .open(path);
    opened.map_err(|source| OpenSource {
        path: path.display().to_string(),
        source,
    })
}

/// A session over the network or a directory.
struct Remote {
    session: Session,
    store: Arc<Store>,
}

impl RegistrySession for Remote {
    fn request(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Response, SessionError> {
        self.session.request(method, url, headers)
    }

    fn send(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Response, SessionError> {
        self.session.send(method, url, headers, body)
    }

    fn authenticate(
        &mut self,
        registry: &str,
        scheme: &str,
        params: &[(String, String)],
    ) -> Result<(), SessionError> {
        self.session.authenticate(registry, scheme, params)
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError> {
        self.session.read_file(path)
    }

    fn allows_http(&self, registry: &str) -> bool {
        self.session.allows_http(registry)
    }
}

impl FetchSession for Remote {
    fn share(&self) -> Box<dyn FetchSession> {
        Box::new(Self {
            session: self.session.clone(),
            store: self.store.clone(),
        })
    }

    fn download(
        &mut self,
        location: &BlobLocation,
        blob: &BlobDescriptor,
        sink: BlobSink<'_>,
    ) -> Result<(), Failure> {
        let mut told = Told(sink);
        let blobs = self.store.blobs();
        self.session
            .download(location, blob, blobs, &|_| (), Some(&mut told))
            .map_err(Failure::new::<FetchError>)
    }

    fn upload(
        &mut self,
        url: &str,
        headers: &[(String, String)],
        blob: &BlobDescriptor,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let file = self
            .store
            .blobs()
            .open_blob(&blob.digest)
            .map_err(Failure::new::<StoreError>)?;
        self.session
            .upload(url, headers, blob, &file, progress)
            .map_err(Failure::new::<FetchError>)
    }
}

/// A sink as a writer, which fails when nobody wants more.
struct Told<'a>(BlobSink<'a>);

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.0)(bytes) {
            ControlFlow::Continue(()) => Ok(bytes.len()),
            ControlFlow::Break(()) => Err(io::Error::other("nobody waits for it any more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session over files in this program.
struct Embedded {
    files: &'static [(&'static str, &'static [u8])],
    store: Arc<Store>,
}

impl Embedded {
    fn file(&self, path: &str) -> Result<&'static [u8], SessionError> {
        let found = self
            .files
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, bytes)| *bytes);
        found.ok_or_else(|| SessionError {
            code: "not-found",
            message: format!("the embedded image has no file {path}"),
            retryable: false,
        })
    }

    fn no_network(what: &str) -> SessionError {
        SessionError {
            code: "denied",
            message: format!("{what}: an embedded image needs no network"),
            retryable: false,
        }
    }
}

impl RegistrySession for Embedded {
    fn request(
        &mut self,
        _: &str,
        url: &str,
        _: &[(String, String)],
    ) -> Result<Response, SessionError> {
        Err(Self::no_network(url))
    }

    fn send(
        &mut self,
        _: &str,
        url: &str,
        _: &[(String, String)],
        _: &[u8],
    ) -> Result<Response, SessionError> {
        Err(Self::no_network(url))
    }

    fn authenticate(
        &mut self,
        registry: &str,
        _: &str,
        _: &[(String, String)],
    ) -> Result<(), SessionError> {
        Err(Self::no_network(registry))
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError> {
        self.file(path).map(<[u8]>::to_vec)
    }

    fn allows_http(&self, _: &str) -> bool {
        false
    }
}

/// A session's refusal, outside a plugin call.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(SessionError);

impl Kind for Refused {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NotFound
    }
}

impl FetchSession for Embedded {
    fn share(&self) -> Box<dyn FetchSession> {
        Box::new(Self {
            files: self.files,
            store: self.store.clone(),
        })
    }

    fn download(
        &mut self,
        location: &BlobLocation,
        blob: &BlobDescriptor,
        sink: BlobSink<'_>,
    ) -> Result<(), Failure> {
        let path = match location {
            BlobLocation::File { path } => path,
            BlobLocation::Url { url, .. } => {
                return Err(Failure::new(Refused(Self::no_network(url))));
            }
        };
        let bytes = self
            .file(path)
            .map_err(|error| Failure::new(Refused(error)))?;
        self.store
            .blobs()
            .put(&blob.digest, bytes)
            .map_err(Failure::new::<StoreError>)?;
        // All of it is here.
        let _ = sink(bytes);
        Ok(())
    }

    fn upload(
        &mut self,
        url: &str,
        _: &[(String, String)],
        _: &BlobDescriptor,
        _: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        Err(Failure::new(Refused(Self::no_network(url))))
    }
}
