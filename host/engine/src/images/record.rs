//! Recording images that were made or brought here.

use std::sync::Arc;

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::{Image, Layer};
use bulkhead_model::{Digest, Reference};
use bulkhead_store::{LaidOut, NewImage, manifest};

use crate::Engine;
use crate::error::EngineError;
use crate::layer::NewLayer;

/// An image whose layers are here.
pub struct ImageToRecord<'a> {
    /// Its configuration's bytes; their digest is its id.
    pub configuration: &'a [u8],
    /// All its layers, lowest first: those it shares and those written for it.
    pub layers: &'a [Layer],
    /// Those that were written for it, among others perhaps.
    pub new: &'a [NewLayer<'a>],
    /// Names that shall mean it from now on.
    pub names: &'a [Reference],
    /// The image it was made from on this machine.
    pub parent: Option<&'a Digest>,
    /// Where its layers are laid out.
    pub driver: &'a Arc<dyn StorageDriver>,
}

impl Engine {
    /// Writes configuration and manifest, brings everything to the disk, and
    /// records the image with its names at once: then it can be seen, whole.
    /// An image that is known already keeps its manifest and gets the names.
    pub fn record_image(&self, new: &ImageToRecord<'_>) -> Result<Image, EngineError> {
        let id = manifest::digest_of(new.configuration);
        let written = manifest::to_manifest(&id, new.configuration.len(), new.layers);
        let documents = [manifest::digest_of(&written), id];
        let held = documents.each_ref().map(|d| self.store.blobs().hold(d));
        let recorded = self.record_held(new, &documents, &written);
        drop(held);
        recorded.inspect_err(|_| self.unwrite(&documents))
    }

    fn record_held(
        &self,
        new: &ImageToRecord<'_>,
        [digest, id]: &[Digest; 2],
        written: &[u8],
    ) -> Result<Image, EngineError> {
        let blobs = self.store.blobs();
        // A crash before the record leaves nothing that a later attempt asks for.
        let keep = |bytes| blobs.spool_bytes(bytes)?.publish().map(drop);
        let known = self.store.image(id.as_str()).ok();
        let image = match known {
            Some(record) => record.image,
            None => {
                keep(new.configuration)?;
                keep(written)?;
                self.described(digest, written, new)?
            }
        };
        let laid_out: Vec<LaidOut> = (new.new.iter().filter_map(|l| l.laid_out.clone())).collect();
        self.runtime.sync_storage(new.driver.driver_name())?;
        self.store.put_image(&NewImage {
            image: &image,
            references: new.names,
            layers: &laid_out,
            parent: new.parent,
        })?;
        self.chains.of(new.driver.driver_name()).recorded(&laid_out);
        Ok(image)
    }

    fn described(
        &self,
        digest: &Digest,
        written: &[u8],
        new: &ImageToRecord<'_>,
    ) -> Result<Image, EngineError> {
        let parsed = manifest::parse_manifest("", written)?;
        let mut image = manifest::image(digest, &parsed, new.configuration)?;
        let differs = |(wrote, said): &(&Layer, &Layer)| wrote.diff_id != said.diff_id;
        if let Some((wrote, said)) = new.layers.iter().zip(&image.layers).find(differs) {
            return Err(EngineError::DiffId {
                layer: wrote.digest.to_string(),
                actual: wrote.diff_id.to_string(),
                expected: said.diff_id.to_string(),
            });
        }
        let laid_out: Vec<LaidOut> = (new.new.iter().filter_map(|l| l.laid_out.clone())).collect();
        image.size = self.size_on(new.driver, &image, &laid_out)?;
        Ok(image)
    }

    fn unwrite(&self, digests: &[Digest]) {
        if let Err(error) = self.store.blobs().discard(digests) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(
                error,
                "removing the documents of an image that was not recorded"
            );
        }
    }
}
