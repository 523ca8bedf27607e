//! Who needs which layer chains of a driver, and which of them no record
//! names yet.
//!
//! A chain is laid out before the image's record names it. Until then it is
//! *unrecorded*: other pulls may build on it, and the last of those that hold
//! it takes it away when none of them got as far as the record.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::Digest;
use bulkhead_model::image::Image;
use bulkhead_store::LaidOut;

/// The chains of every driver.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    drivers: Mutex<HashMap<String, Arc<DriverChains>>>,
    attempts: AtomicU64,
}

impl Chains {
    /// Those of one driver. What waits for a driver's plugin waits for that
    /// plugin alone.
    pub(crate) fn of(&self, driver: &str) -> Arc<DriverChains> {
        let mut drivers = lock(&self.drivers);
        drivers.entry(driver.to_owned()).or_default().clone()
    }

    /// Differs between attempts of one daemon, and between daemons by its start.
    pub(super) fn nonce(&self) -> u64 {
        crate::now() ^ (self.attempts.fetch_add(1, Ordering::Relaxed) << 48)
    }
}

/// The chains of one driver.
#[derive(Debug, Default)]
pub(crate) struct DriverChains {
    state: Mutex<State>,
    /// One lock per chain, so that two pulls of images that share a layer do
    /// not unpack it twice.
    locks: Mutex<HashMap<Digest, Arc<Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Digest, usize>,
    unrecorded: HashMap<Digest, LaidOut>,
}

/// Keeps an image's chains from being removed, laid out or not yet, until it
/// is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    chains: Arc<DriverChains>,
    which: Vec<Digest>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = lock(&self.chains.state);
        for chain in &self.which {
            if let Some(count) = state.held.get_mut(chain) {
                *count -= 1;
                if *count == 0 {
                    state.held.remove(chain);
                }
            }
        }
    }
}

impl DriverChains {
    /// Holds the chains of `image`.
    pub(crate) fn hold(self: &Arc<Self>, image: &Image) -> Held {
        let which: Vec<_> = image.layers.iter().map(|l| l.chain_id.clone()).collect();
        let mut state = lock(&self.state);
        for chain in &which {
            *state.held.entry(chain.clone()).or_default() += 1;
        }
        Held {
            chains: self.clone(),
            which,
        }
    }

    /// Runs `remove` while nothing can be held or let go; it is told which
    /// chains are held.
    pub(crate) fn removing<T>(&self, remove: impl FnOnce(&dyn Fn(&Digest) -> bool) -> T) -> T {
        let state = lock(&self.state);
        remove(&|chain| state.held.contains_key(chain))
    }

    /// Calls `remove` for each chain that no record names and nobody holds.
    pub(crate) fn discard(&self, mut remove: impl FnMut(&Digest)) {
        let mut state = lock(&self.state);
        let State { held, unrecorded } = &mut *state;
        unrecorded.retain(|chain, _| {
            let needed = held.contains_key(chain);
            if !needed {
                remove(chain);
            }
            needed
        });
    }

    /// These have a record now.
    pub(crate) fn recorded(&self, layers: &[LaidOut]) {
        let mut state = lock(&self.state);
        for layer in layers {
            state.unrecorded.remove(&layer.chain_id);
        }
    }

    pub(super) fn laid_out(&self, layer: &LaidOut) {
        let mut state = lock(&self.state);
        state
            .unrecorded
            .insert(layer.chain_id.clone(), layer.clone());
    }

    pub(super) fn unrecorded(&self, chain: &Digest) -> Option<LaidOut> {
        lock(&self.state).unrecorded.get(chain).cloned()
    }

    pub(super) fn lock_of(&self, chain: &Digest) -> Arc<Mutex<()>> {
        let mut locks = lock(&self.locks);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(chain.clone()).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
