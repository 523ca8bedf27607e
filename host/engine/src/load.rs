//! `load`: images out of an archive. What comes is kept beneath the data root
//! and hashed on its way; then each image's layers are unpacked side by side;
//! it is recorded, durably, when all of it is here.

mod together;

use std::io::Read;
use std::sync::Arc;

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::registry::BlobDescriptor;
use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::image_archive::{self, ArchiveError, Found};
use bulkhead_store::manifest::{self, Manifest};
use bulkhead_store::{Held, LaidOut, NewImage, Spooled};

use crate::Engine;
use crate::error::EngineError;

/// A layer without compression, and the beginning of all others.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a load tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadEvent {
    /// A layer that is being unpacked, by its diff id: bytes done of all.
    Layer(Digest, u64, u64),
    /// A name that another image had.
    Renamed {
        /// The name.
        name: Reference,
        /// Who had it.
        old: Digest,
    },
    /// An image is here, by its names if it has any.
    Loaded {
        /// The image's id.
        id: Digest,
        /// Its names.
        names: Vec<Reference>,
    },
}

/// Who is told.
pub type TellLoad<'a> = &'a (dyn Fn(LoadEvent) + Sync);

impl Engine {
    /// Loads every image of an archive, one after the other; the first
    /// failure ends it. Of an image for several platforms the one for
    /// `platform` is loaded, or the one for this machine.
    pub fn load(
        &self,
        archive: impl Read + Send,
        platform: Option<&Platform>,
        tell: TellLoad<'_>,
    ) -> Result<(), EngineError> {
        let members = image_archive::receive(self.store.blobs(), archive)?;
        let driver = self.storage_driver(None)?.clone();
        for found in image_archive::images(&members, platform)? {
            let mut held = Vec::new();
            let loaded = self
                .brought(&found, platform, &mut held)
                .and_then(|image| self.load_image(&image, &found.names, &driver, tell));
            if let Err(error) = loaded {
                self.load_failed(held, &driver);
                return Err(error);
            }
        }
        Ok(())
    }

    fn load_image(
        &self,
        image: &Image,
        names: &[Reference],
        driver: &Arc<dyn StorageDriver>,
        tell: TellLoad<'_>,
    ) -> Result<(), EngineError> {
        let _held = self.chains.of(driver.driver_name()).hold(image);
        let laid_out = self.lay_out_together(image, driver, tell)?;
        let before = names
            .iter()
            .map(|name| self.store.image(&name.to_string()).ok());
        let before: Vec<_> = before.map(|r| r.map(|record| record.image.id)).collect();
        self.record_loaded(image, names, &laid_out, driver)?;
        for (name, old) in names.iter().zip(before) {
            if let Some(old) = old.filter(|old| *old != image.id) {
                let name = name.clone();
                tell(LoadEvent::Renamed { name, old });
            }
        }
        let id = image.id.as_str();
        self.events.image(image, "load", id, id);
        tell(LoadEvent::Loaded {
            id: image.id.clone(),
            names: names.to_vec(),
        });
        Ok(())
    }

    fn record_loaded(
        &self,
        image: &Image,
        names: &[Reference],
        laid_out: &[LaidOut],
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<(), EngineError> {
        let mut image = image.clone();
        image.size = self.size_on(driver, &image, laid_out)?;
        self.runtime.sync_storage(driver.driver_name())?;
        self.store.put_image(&NewImage {
            image: &image,
            references: names,
            layers: laid_out,
            parent: None,
        })?;
        self.chains.of(driver.driver_name()).recorded(laid_out);
        Ok(())
    }

    /// Leaves nothing behind of an image that could not be loaded.
    fn load_failed(&self, held: Vec<Held<'_>>, driver: &Arc<dyn StorageDriver>) {
        self.discard_chains(driver);
        let brought: Vec<_> = held.iter().map(|held| held.digest().clone()).collect();
        drop(held);
        if let Err(error) = self.store.blobs().discard(&brought) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(error, "removing what a failed load brought");
        }
    }

    /// The image, with all its blobs in the content store. One that is here
    /// keeps the manifest and the blobs it has.
    fn brought<'s>(
        &'s self,
        found: &Found<'_, 's>,
        platform: Option<&Platform>,
        held: &mut Vec<Held<'s>>,
    ) -> Result<Image, EngineError> {
        let image = match self.known(found.config.digest(), held)? {
            Some(image) => image,
            None => self.publish(found, held)?,
        };
        if image.platform.os != "linux" {
            return Err(EngineError::ForeignSystem(image.platform.to_string()));
        }
        let other = |wanted: &&Platform| !crate::pull::same_machine(wanted, &image.platform);
        match platform.filter(other) {
            Some(wanted) => Err(ArchiveError::Platform(wanted.to_string()).into()),
            None => Ok(image),
        }
    }

    fn known<'s>(
        &'s self,
        id: &Digest,
        held: &mut Vec<Held<'s>>,
    ) -> Result<Option<Image>, EngineError> {
        let Ok(record) = self.store.image(id.as_str()) else {
            return Ok(None);
        };
        let (image, blobs) = (record.image, self.store.blobs());
        let layers = image.layers.iter().map(|layer| &layer.digest);
        for digest in layers.chain([&image.id, &image.manifest]) {
            held.push(blobs.hold(digest));
            if !blobs.has(digest)? {
                return Ok(None);
            }
        }
        Ok(Some(image))
    }

    /// Reads an image's documents and publishes its blobs.
    fn publish<'s>(
        &'s self,
        found: &Found<'_, 's>,
        held: &mut Vec<Held<'s>>,
    ) -> Result<Image, EngineError> {
        let config = image_archive::document("configuration", found.config)?;
        let layers = found
            .layers
            .iter()
            .map(|layer| self.layer_blob(layer, held))
            .collect::<Result<Vec<_>, _>>()?;
        let (digest, parsed) = match &found.manifest {
            Some((media_type, kept)) => {
                let bytes = image_archive::document("manifest", kept)?;
                held.push(kept.publish()?);
                (
                    kept.digest().clone(),
                    manifest::parse_manifest(media_type, &bytes)?,
                )
            }
            None => self.make_manifest(found.config, layers, held)?,
        };
        let image = manifest::image(&digest, &parsed, &config)?;
        held.push(found.config.publish()?);
        Ok(image)
    }

    /// Publishes a layer and says what it is, in a manifest's words.
    fn layer_blob<'s>(
        &'s self,
        layer: &Spooled<'s>,
        held: &mut Vec<Held<'s>>,
    ) -> Result<BlobDescriptor, EngineError> {
        let (suffix, plain) = image_archive::uncompressed(self.store.blobs(), layer)?;
        let kept = plain.as_ref().unwrap_or(layer);
        held.push(kept.publish()?);
        Ok(BlobDescriptor {
            digest: kept.digest().clone(),
            size: kept.size(),
            media_type: format!("{LAYER}{suffix}"),
        })
    }

    fn make_manifest<'s>(
        &'s self,
        config: &Spooled<'_>,
        layers: Vec<BlobDescriptor>,
        held: &mut Vec<Held<'s>>,
    ) -> Result<(Digest, Manifest), EngineError> {
        let listed: Vec<_> = layers.iter().map(undescribed).collect();
        let size = usize::try_from(config.size()).unwrap_or(usize::MAX);
        let bytes = manifest::to_manifest(config.digest(), size, &listed);
        let kept = self.store.blobs().spool_bytes(&bytes)?;
        held.push(kept.publish()?);
        Ok((kept.digest().clone(), manifest::parse_manifest("", &bytes)?))
    }
}

/// A layer as far as a manifest tells of it.
fn undescribed(blob: &BlobDescriptor) -> Layer {
    Layer {
        digest: blob.digest.clone(),
        size: blob.size,
        media_type: blob.media_type.clone(),
        diff_id: blob.digest.clone(),
        chain_id: blob.digest.clone(),
    }
}
