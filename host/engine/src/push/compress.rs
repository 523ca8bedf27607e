//! Layers that are kept as tars, compressed for a registry.

use std::fs::File;
use std::io::{self, BufReader, Read};

use bulkhead_model::image::Layer;
use bulkhead_model::registry::BlobDescriptor;
use bulkhead_store::compress::Compression;
use bulkhead_store::{Blobs, CompressedLayer, Held};

use crate::error::EngineError;
use crate::{Engine, Waiting};

/// Bytes of a tar read at a time.
const INPUT: usize = 1 << 20;

/// A compressed layer that is here for as long as this lives.
pub(super) struct Compressed<'a> {
    pub(super) blob: BlobDescriptor,
    held: Option<Held<'a>>,
    blobs: &'a Blobs,
}

impl Drop for Compressed<'_> {
    /// What it is is remembered; the bytes can be made again.
    fn drop(&mut self) {
        self.held.take();
        let digest = std::slice::from_ref(&self.blob.digest);
        if let Err(error) = self.blobs.discard(digest) {
            let error = bulkhead_model::error::message(&error);
            tracing::warn!(error, "removing a layer that was compressed for a push");
        }
    }
}

impl Engine {
    /// What a layer became when it was compressed before.
    pub(super) fn known_compressed(
        &self,
        layer: &Layer,
        compression: Compression,
    ) -> Result<Option<BlobDescriptor>, EngineError> {
        let known = self.store.compressed_layer(&layer.digest, compression)?;
        Ok(known.map(|known| descriptor(&known, compression)))
    }

    /// Compresses a layer into the content store, and remembers the result.
    pub(super) fn compress(
        &self,
        layer: &Layer,
        compression: Compression,
        waiting: &Waiting,
    ) -> Result<Compressed<'_>, EngineError> {
        let failed = |source: io::Error| EngineError::Compress {
            layer: layer.digest.to_string(),
            source,
        };
        let blobs = self.store.blobs();
        let tar = blobs.open_blob(&layer.digest)?;
        let mut writer = blobs.spool()?;
        let tar = Wanted { tar, waiting };
        let tar = BufReader::with_capacity(INPUT, tar);
        compression.compress(tar, &mut writer).map_err(failed)?;
        let spooled = writer.finish();
        let made = CompressedLayer {
            digest: spooled.digest().clone(),
            size: spooled.size(),
        };
        let held = spooled.publish()?;
        self.store
            .remember_compressed(&layer.digest, compression, &made)?;
        Ok(Compressed {
            blob: descriptor(&made, compression),
            held: Some(held),
            blobs,
        })
    }
}

/// The media type is the manifest's to choose; it tells the compression.
fn descriptor(made: &CompressedLayer, compression: Compression) -> BlobDescriptor {
    BlobDescriptor {
        digest: made.digest.clone(),
        size: made.size,
        media_type: format!(
            "application/vnd.oci.image.layer.v1.tar+{}",
            compression.as_str()
        ),
    }
}

/// A tar that is read for as long as somebody waits.
struct Wanted<'a> {
    tar: File,
    waiting: &'a Waiting,
}

impl Read for Wanted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.waiting.check().map_err(io::Error::other)?;
        self.tar.read(buffer)
    }
}
