//! `pull`: the registry plugin finds the manifest, the host brings the blobs
//! side by side and unpacks each layer as soon as it may.

mod queue;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::registry::{
    BlobDescriptor, Credentials, FetchSession, RegistrySource, SourceDirectory,
};
use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::{Held, LaidOut, NewImage, manifest};

use crate::Engine;
use crate::error::EngineError;

use queue::Queue;

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

/// Asks whether somebody waits for an operation. Somebody does unless it is
/// said otherwise.
#[derive(Clone, Default)]
pub struct Waiting(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Waiting {
    /// `still` is called often, from several threads.
    pub fn new(still: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(still)))
    }

    fn check(&self) -> Result<(), EngineError> {
        match self.0.as_ref().is_none_or(|still| still()) {
            true => Ok(()),
            false => Err(EngineError::NobodyWaits),
        }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").finish_non_exhaustive()
    }
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

/// One pull's surroundings.
struct Fetch<'a> {
    engine: &'a Engine,
    source: &'a dyn RegistrySource,
    directory: SourceDirectory,
    request: &'a PullRequest,
    /// Where it is fetched from: what was asked for, or the same at a mirror.
    at: Reference,
    /// The blobs it brought or found.
    held: Mutex<Vec<Held<'a>>>,
}

impl Fetch<'_> {
    /// The whole pull. What it needs is held until it ends.
    fn whole(&self, driver: &Arc<dyn StorageDriver>, tell: Tell<'_>) -> Result<Image, EngineError> {
        let (engine, request) = (self.engine, self.request);
        request.waiting.check()?;
        let mut session = self.session()?;
        let (resolved, image) = self.resolve(&mut *session)?;
        if matches!(self.directory, SourceDirectory::None) {
            let (asked, digests) = (&request.reference, [&resolved, &image.manifest]);
            engine.check_signature(self.source, &mut *session, asked, &self.at, digests)?;
        }
        let _held = engine.chains.of(driver.driver_name()).hold(&image);
        // As in Docker, the first line says that the manifest was found.
        tell(PullEvent::Pulling(request.reference.clone()));
        let before = engine
            .store
            .image(&request.reference.to_string())
            .ok()
            .map(|r| r.image.id);
        let laid_out = self.layers(&*session, &image, driver, tell)?;
        tell(PullEvent::Resolved(resolved.clone()));
        engine.record(&request.reference, &resolved, &image, &laid_out, driver)?;
        tell(PullEvent::Done {
            reference: request.reference.clone(),
            newer: before.as_ref() != Some(&image.id),
        });
        let wanted = request.platform.as_ref();
        if let Some(wanted) = wanted.filter(|wanted| !same_machine(wanted, &image.platform)) {
            tell(PullEvent::OtherPlatform {
                reference: request.reference.clone(),
                actual: image.platform.clone(),
                wanted: wanted.clone(),
            });
        }
        Ok(image)
    }

    /// Leaves nothing behind but what makes the next attempt shorter, when
    /// there is hope for one: the blobs of a pull that the network broke off.
    fn gave_up(&self, error: &EngineError, driver: &Arc<dyn StorageDriver>) {
        self.engine.discard_chains(driver);
        let held = std::mem::take(&mut *self.held.lock().expect("held blobs"));
        let brought: Vec<_> = held.iter().map(|held| held.digest().clone()).collect();
        drop(held);
        if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) {
            return;
        }
        if let Err(error) = self.engine.store.blobs().discard(&brought) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(error, "removing what a failed pull brought");
        }
    }

    /// Keeps a blob until the pull ends.
    fn hold(&self, digest: &Digest) {
        let held = self.engine.store.blobs().hold(digest);
        self.held.lock().expect("held blobs").push(held);
    }

    fn session(&self) -> Result<Box<dyn FetchSession>, EngineError> {
        // Credentials are for the registry that was asked for, not for a mirror.
        let itself = self.at.domain == self.request.reference.domain;
        let credentials = self.request.credentials.as_ref().filter(|_| itself);
        let session =
            self.engine
                .fetcher
                .session(self.source, &self.at, &self.directory, credentials)?;
        Ok(session)
    }

    /// The digest the reference names, and the image with its configuration;
    /// manifest and configuration are in the content store then.
    fn resolve(&self, session: &mut dyn FetchSession) -> Result<(Digest, Image), EngineError> {
        let reference = &self.at;
        let platform = self.request.platform.clone().unwrap_or_else(Platform::host);
        let found = self.source.resolve(session, reference, &platform)?;
        manifest::check_digest("manifest", &found.digest, &found.bytes)?;
        if let Some(wanted) = reference
            .digest
            .as_ref()
            .filter(|d| **d != found.reference_digest)
        {
            return Err(EngineError::ReferenceDigest {
                wanted: wanted.to_string(),
                found: found.reference_digest.to_string(),
            });
        }
        let parsed = manifest::parse_manifest(&found.media_type, &found.bytes)?;
        self.bring(session, &parsed.config, &|_| {})?;
        let config = self
            .engine
            .store
            .blobs()
            .read(&parsed.config.digest, manifest::MAX_DOCUMENT as u64)?;
        let image = manifest::image(&found.digest, &parsed, &config)?;
        if image.platform.os != "linux" {
            return Err(EngineError::ForeignSystem(image.platform.to_string()));
        }
        self.hold(&found.digest);
        self.engine.store.blobs().put(&found.digest, &found.bytes)?;
        Ok((found.reference_digest, image))
    }

    /// Brings a blob that is not here yet.
    fn bring(
        &self,
        session: &mut dyn FetchSession,
        blob: &BlobDescriptor,
        progress: &dyn Fn(u64),
    ) -> Result<(), EngineError> {
        self.hold(&blob.digest);
        if self.engine.store.blobs().has(&blob.digest)? {
            return Ok(());
        }
        let location = self.source.locate(session, &self.at, blob)?;
        let waiting = &self.request.waiting;
        let told = |bytes| {
            progress(bytes);
            match waiting.check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let brought = session.download(&location, blob, &told);
        brought.or_else(|error| waiting.check().and(Err(error.into())))
    }

    /// Brings and lays out all layers, a few at a time. The first failure
    /// stops what has not begun.
    fn layers(
        &self,
        session: &dyn FetchSession,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
        tell: Tell<'_>,
    ) -> Result<Vec<LaidOut>, EngineError> {
        let mut missing = Vec::new();
        for (at, layer) in image.layers.iter().enumerate() {
            self.hold(&layer.digest);
            let here = self
                .engine
                .store
                .layer(driver.driver_name(), &layer.chain_id)?
                .is_some()
                && self.engine.store.blobs().has(&layer.digest)?;
            tell(PullEvent::Layer(
                layer.digest.clone(),
                if here {
                    Progress::AlreadyExists
                } else {
                    Progress::Queued
                },
            ));
            if !here {
                missing.push(at);
            }
        }
        let queue = Queue::new(missing);
        let results: Vec<Result<Vec<LaidOut>, EngineError>> = std::thread::scope(|scope| {
            let at_once = self.engine.transfers().downloads;
            let workers: Vec<_> = (0..at_once.min(queue.missing.len()))
                .map(|_| {
                    let (session, queue) = (session.share(), &queue);
                    scope.spawn(move || {
                        self.work(session, queue, image, driver, tell)
                            .inspect_err(|_| queue.abort())
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|w| {
                    w.join()
                        .unwrap_or_else(|_| Err(EngineError::WorkerPanicked))
                })
                .collect()
        });
        let mut laid_out = Vec::new();
        for result in results {
            laid_out.extend(result?);
        }
        Ok(laid_out)
    }

    /// One worker: takes the next layer until none is left.
    fn work(
        &self,
        mut session: Box<dyn FetchSession>,
        queue: &Queue,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
        tell: Tell<'_>,
    ) -> Result<Vec<LaidOut>, EngineError> {
        let mut laid_out = Vec::new();
        while let Some(position) = queue.take() {
            let at = queue.missing[position];
            let layer = &image.layers[at];
            self.bring_layer(&mut *session, layer, tell)?;
            self.request.waiting.check()?;
            // A driver that copies needs the parent first; layers are taken
            // in order, so another worker is at it.
            if !driver.features().overlay_layers && !queue.done.wait_for(position) {
                return Ok(laid_out);
            }
            tell(PullEvent::Layer(
                layer.digest.clone(),
                Progress::Extracting(layer.size),
            ));
            laid_out.extend(self.engine.lay_out_layer(image, at, driver)?);
            queue.done.finished(position);
            tell(PullEvent::Layer(layer.digest.clone(), Progress::Complete));
        }
        Ok(laid_out)
    }

    fn bring_layer(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        tell: Tell<'_>,
    ) -> Result<(), EngineError> {
        let blob = BlobDescriptor {
            digest: layer.digest.clone(),
            size: layer.size,
            media_type: layer.media_type.clone(),
        };
        let progress = |bytes| {
            tell(PullEvent::Layer(
                layer.digest.clone(),
                Progress::Downloading(bytes, layer.size),
            ))
        };
        self.bring(session, &blob, &progress)?;
        tell(PullEvent::Layer(layer.digest.clone(), Progress::Downloaded));
        Ok(())
    }
}
