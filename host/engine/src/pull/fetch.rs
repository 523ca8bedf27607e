//! One image from one place: its manifest, then its layers, side by side.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::image::Image;
use bulkhead_model::registry::{BlobDescriptor, FetchSession, RegistrySource, SourceDirectory};
use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::{Held, LaidOut, manifest};

use super::queue::Queue;
use super::{Progress, PullEvent, PullRequest, Tell, same_machine};
use crate::Engine;
use crate::error::EngineError;

/// One pull's surroundings.
pub(super) struct Fetch<'a> {
    pub(super) engine: &'a Engine,
    pub(super) source: &'a dyn RegistrySource,
    pub(super) directory: SourceDirectory,
    pub(super) request: &'a PullRequest,
    /// Where it is fetched from: what was asked for, or the same at a mirror.
    pub(super) at: Reference,
    /// The blobs it brought or found.
    pub(super) held: Mutex<Vec<Held<'a>>>,
}

impl Fetch<'_> {
    /// The whole pull. What it needs is held until it ends.
    pub(super) fn whole(
        &self,
        driver: &Arc<dyn StorageDriver>,
        tell: Tell<'_>,
    ) -> Result<Image, EngineError> {
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
    pub(super) fn gave_up(&self, error: &EngineError, driver: &Arc<dyn StorageDriver>) {
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
    pub(super) fn hold(&self, digest: &Digest) {
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
        let found = self
            .source
            .resolve(session, reference, &platform)
            .map_err(EngineError::of_registry)?;
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
        self.bring(session, &parsed.config, &mut |_| {})?;
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

    /// Brings a blob that is not here yet; `sink` gets its bytes as they come.
    pub(super) fn bring(
        &self,
        session: &mut dyn FetchSession,
        blob: &BlobDescriptor,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), EngineError> {
        self.hold(&blob.digest);
        if self.engine.store.blobs().has(&blob.digest)? {
            return Ok(());
        }
        let location = self
            .source
            .locate(session, &self.at, blob)
            .map_err(EngineError::of_registry)?;
        let waiting = &self.request.waiting;
        let mut told = |bytes: &[u8]| {
            sink(bytes);
            match waiting.check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let brought = session.download(&location, blob, &mut told);
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
        let store = &self.engine.store;
        let mut here = Vec::new();
        for layer in &image.layers {
            self.hold(&layer.digest);
            let laid_out = store.layer(driver.driver_name(), &layer.chain_id)?;
            here.push(laid_out.is_some() && store.blobs().has(&layer.digest)?);
        }
        if here.iter().all(|here| *here) && store.image(image.id.as_str()).is_ok() {
            // As in Docker, nothing is told of the layers of a known image.
            return Ok(Vec::new());
        }
        for (layer, here) in image.layers.iter().zip(&here) {
            let state = match here {
                true => Progress::AlreadyExists,
                false => Progress::Queued,
            };
            tell(PullEvent::Layer(layer.digest.clone(), state));
        }
        let missing = (0..here.len()).filter(|at| !here[*at]).collect();
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
            // A driver that copies needs the parent first; layers are taken
            // in order, so another worker is at it. Meanwhile this one comes.
            if !driver.features().overlay_layers && !queue.done.is_next(position) {
                self.bring_layer(&mut *session, layer, tell)?;
                if !queue.done.wait_for(position) {
                    return Ok(laid_out);
                }
            }
            let wanted = || self.request.waiting.check();
            wanted()?;
            let fill =
                |dest: BorrowedFd<'_>, style| self.unpack(&mut *session, layer, dest, style, tell);
            let new = (self.engine).lay_out_layer_by(image, at, driver, wanted, fill)?;
            laid_out.extend(new);
            // When another pull laid it out, the blob may be missing still.
            self.bring_layer(&mut *session, layer, tell)?;
            queue.done.finished(position);
            tell(PullEvent::Layer(layer.digest.clone(), Progress::Complete));
        }
        Ok(laid_out)
    }
}
