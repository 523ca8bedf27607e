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
    pub(crate) fn nonce(&self) -> u64 {
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

/// The chains while nobody can hold one or let one go.
#[derive(Debug)]
pub(crate) struct Frozen<'a>(MutexGuard<'a, State>);

impl Frozen<'_> {
    /// Whether somebody holds it, or it waits for its image's record.
    pub(crate) fn keeps(&self, chain: &Digest) -> bool {
        self.0.held.contains_key(chain) || self.0.unrecorded.contains_key(chain)
    }
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
        self.hold_all(image.layers.iter().map(|l| l.chain_id.clone()).collect())
    }

    /// Holds these chains.
    pub(crate) fn hold_all(self: &Arc<Self>, which: Vec<Digest>) -> Held {
        let mut state = lock(&self.state);
        for chain in &which {
            *state.held.entry(chain.clone()).or_default() += 1;
        }
        Held {
            chains: self.clone(),
            which,
        }
    }

    /// While the result lives nothing can be held or let go.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        Frozen(lock(&self.state))
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

    pub(crate) fn laid_out(&self, layer: &LaidOut) {
        let mut state = lock(&self.state);
        state
            .unrecorded
            .insert(layer.chain_id.clone(), layer.clone());
    }

    pub(crate) fn unrecorded(&self, chain: &Digest) -> Option<LaidOut> {
        lock(&self.state).unrecorded.get(chain).cloned()
    }

    pub(crate) fn lock_of(&self, chain: &Digest) -> Arc<Mutex<()>> {
        let mut locks = lock(&self.locks);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(chain.clone()).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
