//! `pull`: the registry plugin finds the manifest, the host brings the blobs
//! side by side and unpacks each layer while it comes, or as soon as it may.

mod fetch;
mod layer;
mod queue;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Image;
use bulkhead_model::registry::{Credentials, RegistrySource, SourceDirectory};
use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::{LaidOut, NewImage};

use crate::error::EngineError;
use crate::{Engine, Waiting};

use fetch::Fetch;

/// Docker Hub's name in references.
const HUB: &str = "docker.io";

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// What the user asked for.
    pub reference: Reference,
    /// For which machine; this one's when absent.
    pub platform: Option<Platform>,
    /// How to log in.
    pub credentials: Option<Credentials>,
    /// The storage driver to lay the layers out on; the daemon's when absent.
    pub storage_driver: Option<String>,
    /// Where it is.
    pub origin: Origin,
    /// Whether anybody still waits for it.
    pub waiting: Waiting,
}

/// Where an image is pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The reference's registry, or this program.
    Registry,
    /// A directory of this host in OCI layout.
    Layout(PathBuf),
    /// A docker-archive of this host.
    Archive {
        /// Where it is.
        path: PathBuf,
        /// Whether the reference is looked for in it; its only image is taken
        /// otherwise, and gets that name.
        is_named: bool,
    },
}

impl PullRequest {
    /// What the source is asked for.
    fn sought(&self) -> Reference {
        let mut sought = self.reference.clone();
        if matches!(
            self.origin,
            Origin::Archive {
                is_named: false,
                ..
            }
        ) {
            (sought.tag, sought.digest) = (None, None);
        }
        sought
    }
}

/// What happens to one layer, in Docker's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is here.
    AlreadyExists,
    /// It will be brought.
    Queued,
    /// Bytes present of all.
    Downloading(u64, u64),
    /// It is here and its digest is right.
    Downloaded,
    /// It is being unpacked: bytes of the blob.
    Extracting(u64),
    /// It is laid out.
    Complete,
}

/// What a pull tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEvent {
    /// The manifest is being looked for: repository and tag.
    Pulling(Reference),
    /// A layer's progress, by the blob's digest.
    Layer(Digest, Progress),
    /// The digest that the reference named.
    Resolved(Digest),
    /// Done; whether anything was new.
    Done {
        /// The reference pulled.
        reference: Reference,
        /// Whether the image was not here before under this name.
        newer: bool,
    },
    /// The image names one platform, and it is not the one asked for. Docker
    /// takes such an image and warns.
    OtherPlatform {
        /// The reference pulled.
        reference: Reference,
        /// What the image is for.
        actual: Platform,
        /// What was asked for.
        wanted: Platform,
    },
}

type Tell<'a> = &'a (dyn Fn(PullEvent) + Sync);

impl Engine {
    /// Brings an image and lays it out. The image is recorded, durably, only
    /// when everything is here.
    pub fn pull(&self, request: &PullRequest, tell: Tell<'_>) -> Result<Image, EngineError> {
        let driver = self.usable_driver(request.storage_driver.as_deref())?;
        let (source, directory) = self.source_of(request)?;
        let fetch = |at: Reference| {
            let fetch = Fetch {
                engine: self,
                source: &*source,
                directory: directory.clone(),
                request,
                at,
                held: Mutex::default(),
            };
            fetch
                .whole(&driver, tell)
                .inspect_err(|error| fetch.gave_up(error, &driver))
        };
        let mirrors = match directory {
            SourceDirectory::None => mirrored(&request.reference, &self.mirrors()),
            _ => Vec::new(),
        };
        let mirrored = mirrors.into_iter().find_map(|at| match fetch(at.clone()) {
            Ok(image) => Some(image),
            Err(error) => {
                let error = bulkhead_model::error::message(&error);
                tracing::warn!(mirror = at.domain, error, "going on without this mirror");
                None
            }
        });
        let image = mirrored.map_or_else(|| fetch(request.sought()), Ok)?;
        self.events.image(
            &image,
            "pull",
            &request.reference.familiar(),
            &request.reference.familiar_name(),
        );
        Ok(image)
    }

    /// Brings every tag of a repository, one after the other.
    pub fn pull_all_tags(&self, request: &PullRequest, tell: Tell<'_>) -> Result<(), EngineError> {
        let tags = self.registry_tags(&request.reference, request.credentials.as_ref())?;
        let anything_newer = AtomicBool::new(false);
        // Docker says once, at the end, whether anything was new.
        let tell_of_one = |event| match event {
            PullEvent::Done { newer, .. } => {
                anything_newer.fetch_or(newer, Ordering::Relaxed);
            }
            other => tell(other),
        };
        for reference in tags {
            let one = PullRequest {
                reference,
                ..request.clone()
            };
            self.pull(&one, &tell_of_one)?;
        }
        tell(PullEvent::Done {
            reference: Reference {
                tag: None,
                ..request.reference.clone()
            },
            newer: anything_newer.into_inner(),
        });
        Ok(())
    }

    /// Which plugin and files serve a request: a directory or an archive the
    /// user named, an image embedded in this program, or the reference's registry.
    fn source_of(
        &self,
        request: &PullRequest,
    ) -> Result<(Arc<dyn RegistrySource>, SourceDirectory), EngineError> {
        let sources = &self.sources;
        let embedded = sources.embedded.as_ref();
        let embedded = embedded.filter(|embedded| embedded.reference == request.reference);
        let (source, what, files) = match (&request.origin, embedded) {
            (Origin::Layout(path), _) => (
                &sources.layout,
                "OCI layouts",
                SourceDirectory::Host(path.clone()),
            ),
            (Origin::Archive { path, .. }, _) => (
                &sources.archive,
                "docker-archives",
                SourceDirectory::Archive(path.clone()),
            ),
            (Origin::Registry, Some(embedded)) => (
                &sources.layout,
                "OCI layouts",
                SourceDirectory::Embedded(embedded.files),
            ),
            (Origin::Registry, None) => {
                (&sources.registry, "OCI distribution", SourceDirectory::None)
            }
        };
        let source = source.clone();
        Ok((source.ok_or(EngineError::NoRegistrySource(what))?, files))
    }

    fn record(
        &self,
        reference: &Reference,
        resolved: &Digest,
        image: &Image,
        laid_out: &[LaidOut],
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<(), EngineError> {
        let by_digest = Reference {
            tag: None,
            digest: Some(resolved.clone()),
            ..reference.clone()
        };
        let mut references = vec![by_digest];
        if reference.tag.is_some() && reference.digest.is_none() {
            references.push(reference.clone());
        }
        let mut image = image.clone();
        image.size = self.size_on(driver, &image, laid_out)?;
        self.runtime.sync_storage(driver.driver_name())?;
        self.store.put_image(&NewImage {
            image: &image,
            references: &references,
            layers: laid_out,
            parent: None,
        })?;
        self.chains.of(driver.driver_name()).recorded(laid_out);
        Ok(())
    }

    pub(crate) fn size_on(
        &self,
        driver: &Arc<dyn StorageDriver>,
        image: &Image,
        laid_out: &[LaidOut],
    ) -> Result<u64, EngineError> {
        let mut size = 0;
        for layer in &image.layers {
            let new = laid_out
                .iter()
                .find(|l| l.chain_id == layer.chain_id)
                .map(|l| l.bytes);
            let known = || {
                Ok::<_, EngineError>(
                    self.store
                        .layer(driver.driver_name(), &layer.chain_id)?
                        .map(|l| l.bytes),
                )
            };
            size += match new {
                Some(bytes) => bytes,
                None => known()?.unwrap_or(0),
            };
        }
        Ok(size)
    }
}

/// The same image at each mirror: mirrors are Docker Hub's only, as with Docker.
fn mirrored(reference: &Reference, mirrors: &[String]) -> Vec<Reference> {
    let at = |mirror: &String| Reference {
        domain: mirror.clone(),
        ..reference.clone()
    };
    let of_hub = mirrors.iter().filter(|_| reference.domain == HUB);
    of_hub.map(at).collect()
}

/// Variants of one architecture run each other's code more often than not.
pub(crate) fn same_machine(wanted: &Platform, actual: &Platform) -> bool {
    (&wanted.os, &wanted.architecture) == (&actual.os, &actual.architecture)
}
