//! A session over a docker-archive of this host.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bulkhead_model::error::{ErrorKind, Failure, Kind};
use bulkhead_model::registry::{
    BlobDescriptor, BlobLocation, BlobSink, FetchSession, FileFacts, RegistrySession, Response,
    SessionError,
};
use bulkhead_store::image_archive::{ArchiveError, InPlace};
use bulkhead_store::{Store, StoreError};

use super::{OpenSource, open};

/// The largest document a plugin is given.
const MAX_DOCUMENT: u64 = 4 << 20;
/// Bytes copied at a time.
const PIECE: usize = 256 * 1024;

/// An archive that is read where it is.
pub(super) struct Archived {
    archive: Arc<InPlace>,
    store: Arc<Store>,
}

impl Archived {
    /// Reads the archive once for what is in it.
    pub(super) fn open(path: &Path, store: Arc<Store>) -> Result<Self, Failure> {
        // A FIFO would block an open without O_NONBLOCK.
        let file = open(path, nix::libc::O_NONBLOCK).map_err(Failure::new)?;
        let failed = |source| {
            Failure::new(OpenSource {
                path: path.display().to_string(),
                source,
            })
        };
        if !file.metadata().map_err(failed)?.is_file() {
            let reason = "not a regular file";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let archive = InPlace::read(file).map_err(Failure::new)?;
        Ok(Self {
            archive: Arc::new(archive),
            store,
        })
    }

    fn document(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let member = self.archive.open(path, 0).map_err(Failure::new)?;
        let read = member.take(MAX_DOCUMENT).read_to_end(&mut bytes);
        read.map_err(|source| failed_to_read(path, source))?;
        Ok(bytes)
    }

    fn copy(&self, path: &str, blob: &BlobDescriptor, sink: BlobSink<'_>) -> Result<(), Failure> {
        let kept = Failure::new::<StoreError>;
        let blobs = self.store.blobs();
        let mut give = |bytes: &[u8]| match sink(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(io::Error::other("nobody waits for it any more")),
        };
        let mut writer = blobs.writer(blob, &mut give).map_err(kept)?;
        let member = self.archive.open(path, writer.offset());
        let mut member = member.map_err(Failure::new)?;
        let mut buffer = vec![0; PIECE];
        loop {
            let read = member.read(&mut buffer);
            match read.map_err(|source| failed_to_read(path, source))? {
                0 => return writer.commit().map_err(kept),
                n => {
                    writer.write(&buffer[..n]).map_err(kept)?;
                    give(&buffer[..n]).map_err(|source| failed_to_read(path, source))?;
                }
            }
        }
    }
}

fn failed_to_read(member: &str, source: io::Error) -> Failure {
    Failure::new(OpenSource {
        path: member.to_owned(),
        source,
    })
}

/// What a session over an archive refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}: an image archive needs no network")]
struct NoNetwork(String);

impl Kind for NoNetwork {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Forbidden
    }
}

fn no_network<T>(what: &str) -> Result<T, SessionError> {
    Err(SessionError {
        code: "denied",
        message: NoNetwork(what.to_owned()).to_string(),
        retryable: false,
    })
}

fn told(error: &ArchiveError) -> SessionError {
    SessionError {
        code: match error {
            ArchiveError::Missing(_) => "not-found",
            _ => "invalid",
        },
        message: error.to_string(),
        retryable: false,
    }
}

impl RegistrySession for Archived {
    fn request(
        &mut self,
        _: &str,
        url: &str,
        _: &[(String, String)],
    ) -> Result<Response, SessionError> {
        no_network(url)
    }

    fn send(
        &mut self,
        _: &str,
        url: &str,
        _: &[(String, String)],
        _: &[u8],
    ) -> Result<Response, SessionError> {
        no_network(url)
    }

    fn authenticate(
        &mut self,
        registry: &str,
        _: &str,
        _: &[(String, String)],
    ) -> Result<(), SessionError> {
        no_network(registry)
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError> {
        if self.file_facts(path)?.size > MAX_DOCUMENT {
            return Err(SessionError {
                code: "exhausted",
                message: format!("{path} is longer than {MAX_DOCUMENT} bytes"),
                retryable: false,
            });
        }
        self.document(path).map_err(|error| SessionError {
            code: "unavailable",
            message: bulkhead_model::error::message(&error),
            retryable: false,
        })
    }

    fn file_facts(&mut self, path: &str) -> Result<FileFacts, SessionError> {
        let facts = self.archive.facts(path).map_err(|error| told(&error))?;
        Ok(facts.clone())
    }

    fn allows_http(&self, _: &str) -> bool {
        false
    }
}

impl FetchSession for Archived {
    fn share(&self) -> Box<dyn FetchSession> {
        Box::new(Self {
            archive: self.archive.clone(),
            store: self.store.clone(),
        })
    }

    fn download(
        &mut self,
        location: &BlobLocation,
        blob: &BlobDescriptor,
        sink: BlobSink<'_>,
    ) -> Result<(), Failure> {
        match location {
            BlobLocation::File { path } => self.copy(path, blob, sink),
            BlobLocation::Url { url, .. } => Err(Failure::new(NoNetwork(url.clone()))),
        }
    }

    fn upload(
        &mut self,
        url: &str,
        _: &[(String, String)],
        _: &BlobDescriptor,
        _: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        Err(Failure::new(NoNetwork(url.to_owned())))
    }
}
