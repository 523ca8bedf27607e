//! `push`: the registry plugin says where each blob goes, the host sends what
//! is missing, a few at a time, and the manifest last: until then nothing in
//! the registry has the image's name.
//!
//! ```text
//! layer ─┬ of a pulled image ─────────────▶ its own blob ─┐
//!        └ kept as a tar ─▶ compressed once, remembered ──┴▶ there? mounted? sent
//! configuration ───────────────────────────────────────────▶ the same
//! manifest ─ pulled: its own bytes; made here: written ────▶ under the tag
//! ```

mod compress;
mod document;
mod patience;

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_model::error::ErrorKind;
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::registry::{
    BlobDescriptor, BlobUpload, Credentials, FetchSession, RegistrySink, RegistrySource,
    ResolvedManifest, SourceDirectory,
};
use bulkhead_model::{Digest, Reference};
use bulkhead_store::compress::Compression;
use bulkhead_store::{Held, ImageRecord, StoreError, manifest};

use crate::error::EngineError;
use crate::{Engine, Waiting};

pub use document::Format;
use patience::Patience;

/// Upload sessions that are opened for one blob.
const SESSIONS: u32 = 3;

/// What to push.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The repository, with the tag to push; without one: all its tags.
    pub reference: Reference,
    /// How to log in.
    pub credentials: Option<Credentials>,
    /// For layers that are kept uncompressed.
    pub compression: Compression,
    /// For images that were made here; pulled ones keep theirs.
    pub format: Format,
    /// Whether anybody still waits for it.
    pub waiting: Waiting,
}

/// What happens to one layer, in Docker's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushProgress {
    /// It will be looked at.
    Preparing,
    /// Others are first.
    Waiting,
    /// The repository has it.
    AlreadyExists,
    /// The registry took it over from another repository.
    Mounted(String),
    /// Bytes sent of all.
    Pushing(u64, u64),
    /// It is there.
    Pushed,
}

/// What a push tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEvent {
    /// It begins: the repository.
    Begins(Reference),
    /// A layer's progress, by its diff id.
    Layer(Digest, PushProgress),
    /// A tag is in the registry: the manifest's digest and bytes.
    Done {
        /// The tag.
        tag: String,
        /// The manifest.
        digest: Digest,
        /// Its bytes.
        size: usize,
    },
}

type Tell<'a> = &'a (dyn Fn(PushEvent) + Sync);

impl Engine {
    /// Brings an image, or all of a repository, to its registry. It ends, as
    /// in Docker, when nobody waits for it any more.
    pub fn push(&self, request: &PushRequest, tell: Tell<'_>) -> Result<(), EngineError> {
        let pushed = self.push_tags(request, tell);
        pushed.or_else(|error| request.waiting.check().and(Err(error)))
    }

    fn push_tags(&self, request: &PushRequest, tell: Tell<'_>) -> Result<(), EngineError> {
        let repository = Reference {
            tag: None,
            digest: None,
            ..request.reference.clone()
        };
        if request.reference.digest.is_some() {
            return Err(EngineError::PushByDigest);
        }
        tell(PushEvent::Begins(repository.clone()));
        let images = self.store.images()?;
        let tagged = tags_of(&images, &repository);
        if tagged.is_empty() {
            return Err(EngineError::NothingToPush(repository.familiar_name()));
        }
        let source = self.sources.registry.clone();
        let source = source.ok_or(EngineError::NoRegistrySource("OCI distribution"))?;
        let chosen: Vec<_> = match &request.reference.tag {
            None => tagged,
            Some(tag) => {
                let named = |(name, _): &(Reference, _)| name.tag.as_deref() == Some(tag);
                let found = tagged.into_iter().filter(named).collect::<Vec<_>>();
                if found.is_empty() {
                    return Err(EngineError::NoSuchTag(request.reference.familiar()));
                }
                found
            }
        };
        let patience = Patience::default();
        let mut sent = Vec::new();
        for (name, record) in chosen {
            let push = Push {
                engine: self,
                source: &*source,
                sink: source.sink().ok_or_else(|| EngineError::NoPush {
                    plugin: source.identity().name.clone(),
                })?,
                request,
                name: &name,
                images: &images,
                sent: Mutex::new(std::mem::take(&mut sent)),
                patience: &patience,
                tell,
            };
            push.whole(record)?;
            sent = push.sent.into_inner().unwrap_or_default();
            let familiar = name.familiar();
            let repository = name.familiar_name();
            self.events
                .image(&record.image, "push", &familiar, &repository);
        }
        Ok(())
    }
}

/// The repository's tags and what they point at, sorted.
fn tags_of<'a>(
    images: &'a [ImageRecord],
    repository: &Reference,
) -> Vec<(Reference, &'a ImageRecord)> {
    let of = |record: &'a ImageRecord| {
        let own = record.tags.iter().filter(|tag| is_of(tag, repository));
        own.map(move |tag| (tag.clone(), record))
    };
    let mut tags: Vec<_> = images.iter().flat_map(of).collect();
    tags.sort_by(|(a, _), (b, _)| a.tag.cmp(&b.tag));
    tags
}

fn is_of(name: &Reference, repository: &Reference) -> bool {
    (&name.domain, &name.path) == (&repository.domain, &repository.path)
}

/// One tag's push.
struct Push<'a> {
    engine: &'a Engine,
    source: &'a dyn RegistrySource,
    sink: &'a dyn RegistrySink,
    request: &'a PushRequest,
    name: &'a Reference,
    images: &'a [ImageRecord],
    /// What is in the repository by now, for the next tag.
    sent: Mutex<Vec<Digest>>,
    patience: &'a Patience,
    tell: Tell<'a>,
}

impl Push<'_> {
    fn whole(&self, record: &ImageRecord) -> Result<(), EngineError> {
        let image = &record.image;
        let _held = self.hold(image);
        let session = self.engine.fetcher.session(
            self.source,
            self.name,
            &SourceDirectory::None,
            self.request.credentials.as_ref(),
        )?;
        let original = document::original(&self.engine.store, record)?;
        let blobs = self.layers(&*session, image, original.is_some())?;
        let mut session = session;
        let config = self.config(image)?;
        if self.blob(&mut *session, &config, &|_| ())?.is_none() {
            return Err(StoreError::NoSuchBlob(config.digest).into());
        }
        let manifest = match original {
            Some(manifest) => manifest,
            None => document::write(self.request.format, &config, &blobs),
        };
        self.request.waiting.check()?;
        self.patience
            .with(|| self.sink.put_manifest(&mut *session, self.name, &manifest))
            .map_err(EngineError::of_registry)?;
        self.record(image, &manifest)?;
        (self.tell)(PushEvent::Done {
            tag: self.name.tag_or_digest().to_owned(),
            digest: manifest.digest,
            size: manifest.bytes.len(),
        });
        Ok(())
    }

    /// Keeps what an `rmi` meanwhile would remove.
    fn hold(&self, image: &Image) -> Vec<Held<'_>> {
        let blobs = self.engine.store.blobs();
        let layers = image.layers.iter().map(|layer| &layer.digest);
        let all = [&image.id, &image.manifest].into_iter().chain(layers);
        all.map(|digest| blobs.hold(digest)).collect()
    }

    fn config(&self, image: &Image) -> Result<BlobDescriptor, EngineError> {
        let limit = manifest::MAX_DOCUMENT as u64;
        let bytes = self.engine.store.blobs().read(&image.id, limit)?;
        Ok(BlobDescriptor {
            digest: image.id.clone(),
            size: bytes.len() as u64,
            media_type: String::new(),
        })
    }

    /// Brings all layers there, a few at a time; their blobs, lowest first.
    /// The first failure stops what has not begun.
    fn layers(
        &self,
        session: &dyn FetchSession,
        image: &Image,
        keeps: bool,
    ) -> Result<Vec<BlobDescriptor>, EngineError> {
        let count = image.layers.len();
        let at_once = self.engine.transfers().uploads.clamp(1, count.max(1));
        for (at, layer) in image.layers.iter().rev().enumerate() {
            self.tell_of(layer, PushProgress::Preparing);
            if at >= at_once {
                self.tell_of(layer, PushProgress::Waiting);
            }
        }
        let next = AtomicUsize::new(0);
        let blobs = Mutex::new(vec![None; count]);
        let work = |mut session: Box<dyn FetchSession>| -> Result<(), EngineError> {
            loop {
                self.request.waiting.check()?;
                let at = next.fetch_add(1, Ordering::Relaxed);
                // The topmost first, as they were told.
                let Some(at) = count.checked_sub(at + 1) else {
                    return Ok(());
                };
                let sent = self.layer(&mut *session, &image.layers[at], keeps);
                let blob = sent.inspect_err(|_| next.store(count, Ordering::Relaxed))?;
                blobs.lock().expect("pushed blobs")[at] = Some(blob);
            }
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once)
                .map(|_| (session.share(), &work))
                .map(|(session, work)| scope.spawn(move || work(session)))
                .collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined
                .map(|result| result.unwrap_or(Err(EngineError::WorkerPanicked)))
                .collect()
        });
        results.into_iter().collect::<Result<(), _>>()?;
        let blobs = blobs.into_inner().expect("pushed blobs");
        Ok(blobs.into_iter().flatten().collect())
    }

    /// Brings one layer there, compressed when it is not and may be.
    fn layer(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        keeps: bool,
    ) -> Result<BlobDescriptor, EngineError> {
        if keeps || !document::is_plain(&layer.media_type) {
            let blob = BlobDescriptor {
                digest: layer.digest.clone(),
                size: layer.size,
                media_type: layer.media_type.clone(),
            };
            return match self.blob_of(session, layer, &blob)? {
                true => Ok(blob),
                false => Err(StoreError::NoSuchBlob(blob.digest).into()),
            };
        }
        let compression = self.request.compression;
        if let Some(known) = self.engine.known_compressed(layer, compression)?
            && self.blob_of(session, layer, &known)?
        {
            return Ok(known);
        }
        let made = (self.engine).compress(layer, compression, &self.request.waiting)?;
        match self.blob_of(session, layer, &made.blob)? {
            true => Ok(made.blob.clone()),
            false => Err(StoreError::NoSuchBlob(made.blob.digest.clone()).into()),
        }
    }

    fn blob_of(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        blob: &BlobDescriptor,
    ) -> Result<bool, EngineError> {
        let progress = |bytes| self.tell_of(layer, PushProgress::Pushing(bytes, blob.size));
        let end = self.blob(session, blob, &progress)?;
        let is_there = end.is_some();
        end.into_iter().for_each(|end| self.tell_of(layer, end));
        Ok(is_there)
    }

    /// Brings a blob there, unless it is. `None`: it would have to be sent and
    /// is not here.
    fn blob(
        &self,
        session: &mut dyn FetchSession,
        blob: &BlobDescriptor,
        progress: &dyn Fn(u64),
    ) -> Result<Option<PushProgress>, EngineError> {
        if self.sent.lock().expect("sent blobs").contains(&blob.digest) {
            return Ok(Some(PushProgress::AlreadyExists));
        }
        let candidates = self.candidates(&blob.digest)?;
        let told = |bytes| {
            progress(bytes);
            match self.request.waiting.check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let mut lost = 0;
        let end = loop {
            let begun = self
                .patience
                .with(|| {
                    self.sink
                        .begin_upload(session, self.name, blob, &candidates)
                })
                .map_err(EngineError::of_registry)?;
            let (url, headers) = match begun {
                BlobUpload::Present => break PushProgress::AlreadyExists,
                BlobUpload::Mounted(from) => break PushProgress::Mounted(from),
                BlobUpload::Session { url, headers } => (url, headers),
            };
            if !self.engine.store.blobs().has(&blob.digest)? {
                return Ok(None);
            }
            lost += 1;
            match session.upload(&url, &headers, blob, &told) {
                Ok(()) => break PushProgress::Pushed,
                // The registry forgot the session: another one.
                Err(failure) if failure.kind == ErrorKind::Unavailable && lost < SESSIONS => {
                    tracing::debug!(blob = %blob.digest, %failure, "uploading once more");
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        let mut sent = self.sent.lock().expect("sent blobs");
        sent.push(blob.digest.clone());
        Ok(Some(end))
    }

    /// Repositories of the same registry that have the blob, as far as is
    /// known: those that an image with this layer was pulled from or pushed to.
    fn candidates(&self, digest: &Digest) -> Result<Vec<String>, EngineError> {
        let mut spellings = self.engine.store.compressed_from(digest)?;
        spellings.push(digest.clone());
        let holds = |record: &&ImageRecord| {
            let mut layers = record.image.layers.iter();
            record.image.id == *digest || layers.any(|layer| spellings.contains(&layer.digest))
        };
        let names = self.images.iter().filter(holds).flat_map(|r| &r.digests);
        let mut paths: Vec<_> = names
            .filter(|name| name.domain == self.name.domain && name.path != self.name.path)
            .map(|name| name.path.clone())
            .collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// The image is known by its digest in the registry from now on.
    fn record(&self, image: &Image, manifest: &ResolvedManifest) -> Result<(), EngineError> {
        let by_digest = Reference {
            tag: None,
            digest: Some(manifest.digest.clone()),
            ..self.name.clone()
        };
        Ok(self.engine.store.tag_image(&image.id, &by_digest)?)
    }

    fn tell_of(&self, layer: &Layer, progress: PushProgress) {
        (self.tell)(PushEvent::Layer(layer.diff_id.clone(), progress));
    }
}
