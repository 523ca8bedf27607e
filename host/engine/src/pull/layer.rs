//! A layer on its way, in one pass:
//!
//! ```text
//! socket ─▶ sha256 = digest ─▶ staging ─▶ [2 MiB] ─▶ inflate ─▶ sha256 = diff id ─▶ files in x-…
//! ```
//!
//! Every arrow is bounded, so that a slow disk slows the download down. The
//! unpacker sees the end of the bytes only when their digest was right, and
//! nothing is named before both digests are.

use std::io::Write;
use std::os::fd::BorrowedFd;

use bulkhead_model::image::Layer;
use bulkhead_model::registry::{BlobDescriptor, FetchSession};
use bulkhead_store::stream::{self, StreamWriter};
use bulkhead_store::unpack::{self, Unpacked, WhiteoutStyle};

use super::fetch::Fetch;
use super::{Progress, PullEvent, Tell};
use crate::error::EngineError;

impl Fetch<'_> {
    /// Brings a layer's blob, unless it is here.
    pub(super) fn bring_layer(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        tell: Tell<'_>,
    ) -> Result<(), EngineError> {
        self.bring_told(session, layer, tell, &mut |_| {})
    }

    /// Unpacks a layer into `dest`: while it is brought, or from the content
    /// store when it is there.
    pub(super) fn unpack(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        dest: BorrowedFd<'_>,
        style: WhiteoutStyle,
        tell: Tell<'_>,
    ) -> Result<Unpacked, EngineError> {
        let limits = unpack::Limits::default();
        let blobs = self.engine.store.blobs();
        self.hold(&layer.digest);
        if blobs.has(&layer.digest)? {
            told(tell, layer, Progress::Extracting(layer.size));
            let blob = blobs.open_blob(&layer.digest)?;
            return Ok(unpack::apply(blob, dest, style, &limits)?);
        }
        let (out, archive) = stream::pair();
        std::thread::scope(|scope| {
            let bringing = scope.spawn(|| self.bring_through(session, layer, out, tell));
            let unpacked = unpack::apply(archive, dest, style, &limits);
            // Bytes that are not the layer's are why they cannot be unpacked.
            bringing
                .join()
                .unwrap_or(Err(EngineError::WorkerPanicked))?;
            Ok(unpacked?)
        })
    }

    /// Brings a layer and gives its bytes to an unpacker. When that fails, only
    /// the whole blob shows whose fault it is.
    fn bring_through(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        out: StreamWriter,
        tell: Tell<'_>,
    ) -> Result<(), EngineError> {
        let mut out = Some(out);
        let mut pass_on = |bytes: &[u8]| {
            if out
                .as_mut()
                .is_some_and(|out| out.write_all(bytes).is_err())
            {
                out = None;
            }
        };
        self.bring_told(session, layer, tell, &mut pass_on)?;
        told(tell, layer, Progress::Extracting(layer.size));
        if let Some(out) = out {
            out.finish();
        }
        Ok(())
    }

    fn bring_told(
        &self,
        session: &mut dyn FetchSession,
        layer: &Layer,
        tell: Tell<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), EngineError> {
        let blob = BlobDescriptor {
            digest: layer.digest.clone(),
            size: layer.size,
            media_type: layer.media_type.clone(),
        };
        let mut here = 0;
        let mut counted = |bytes: &[u8]| {
            sink(bytes);
            here += bytes.len() as u64;
            told(tell, layer, Progress::Downloading(here, layer.size));
        };
        self.bring(session, &blob, &mut counted)?;
        if here > 0 {
            told(tell, layer, Progress::Downloaded);
        }
        Ok(())
    }
}

fn told(tell: Tell<'_>, layer: &Layer, progress: Progress) {
    tell(PullEvent::Layer(layer.digest.clone(), progress));
}
