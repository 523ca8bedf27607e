//! Layers that are kept as tars, compressed for a registry.

use std::io::{self, BufReader, Write};

use bulkhead_model::image::Layer;
use bulkhead_model::registry::BlobDescriptor;
use bulkhead_store::compress::Compression;
use bulkhead_store::{Blobs, CompressedLayer, Held, Ingest};
use sha2::{Digest as _, Sha256};

use crate::Engine;
use crate::error::EngineError;

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
    ) -> Result<Compressed<'_>, EngineError> {
        let failed = |source: io::Error| EngineError::Compress {
            layer: layer.digest.to_string(),
            source,
        };
        let blobs = self.store.blobs();
        let tar = blobs.open_blob(&layer.digest)?;
        let mut hashing = Hashing {
            hasher: Sha256::new(),
            ingest: blobs.ingest()?,
        };
        let tar = BufReader::with_capacity(INPUT, tar);
        compression.compress(tar, &mut hashing).map_err(failed)?;
        let made = CompressedLayer {
            digest: bulkhead_model::Digest::from_sha256(hashing.hasher.finalize().into()),
            size: hashing.ingest.written(),
        };
        let held = blobs.hold(&made.digest);
        hashing.ingest.publish(&made.digest)?;
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

struct Hashing<'a> {
    hasher: Sha256,
    ingest: Ingest<'a>,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.ingest.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ingest.flush()
    }
}
