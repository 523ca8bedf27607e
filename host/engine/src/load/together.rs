//! Lays the layers of one image out side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Image;
use bulkhead_store::LaidOut;

use super::{LoadEvent, TellLoad};
use crate::Engine;
use crate::error::EngineError;

/// Layers unpacked at the same time, at most.
const AT_ONCE: usize = 4;

impl Engine {
    /// Lays out what is not yet. The blobs are in the content store, and the
    /// caller holds the image's chains. The first failure stops what has not begun.
    pub(super) fn lay_out_together(
        &self,
        image: &Image,
        driver: &Arc<dyn StorageDriver>,
        tell: TellLoad<'_>,
    ) -> Result<Vec<LaidOut>, EngineError> {
        // A driver that copies needs the layer below first.
        let workers = match driver.features().overlay_layers {
            true => std::thread::available_parallelism().map_or(1, |n| n.get().min(AT_ONCE)),
            false => 1,
        };
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Ok(Vec::new()));
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= image.layers.len() || lock(&done).is_err() {
                    return;
                }
                let laid_out = self.lay_out_told(image, at, driver, tell);
                let mut done = lock(&done);
                match (laid_out, &mut *done) {
                    (Ok(new), Ok(all)) => all.extend(new),
                    (Err(error), Ok(_)) => *done = Err(error),
                    (_, Err(_)) => return,
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers.min(image.layers.len()) {
                scope.spawn(work);
            }
            work();
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lay_out_told(
        &self,
        image: &Image,
        at: usize,
        driver: &Arc<dyn StorageDriver>,
        tell: TellLoad<'_>,
    ) -> Result<Option<LaidOut>, EngineError> {
        let layer = &image.layers[at];
        let name = driver.driver_name();
        if self.store.layer(name, &layer.chain_id)?.is_some() {
            return Ok(None);
        }
        let told = |bytes| tell(LoadEvent::Layer(layer.diff_id.clone(), bytes, layer.size));
        told(0);
        let laid_out = self.lay_out_layer(image, at, driver)?;
        told(layer.size);
        Ok(laid_out)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
