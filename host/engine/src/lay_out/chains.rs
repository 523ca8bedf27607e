//! Who needs which layer chains of a driver, and which of them no record
//! names yet.
//!
//! A chain is laid out before the image's record names it. Until then it is
//! *unrecorded*: other pulls may build on it, and the last of those that hold
//! it takes it away when none of them got as far as the record.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulkhead_model::image::Image;
use bulkhead_model::{Digest, SnapshotKey};
use bulkhead_store::LaidOut;

/// How long somebody waits for a chain before asking whether it is still wanted.
const ASKED_EVERY: Duration = Duration::from_millis(200);

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
    /// Chains that somebody is bringing and laying out, so that two pulls of
    /// images that share a layer do not do it twice.
    claimed: Mutex<HashSet<Digest>>,
    given_back: Condvar,
    /// Extractions of no use that are there yet. Their keys are never used again.
    abandoned: Mutex<Vec<SnapshotKey>>,
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

/// One chain that nobody else lays out or removes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    chains: Arc<DriverChains>,
    which: Digest,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.chains.claimed).remove(&self.which);
        self.chains.given_back.notify_all();
    }
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

    /// These are to be removed at some time.
    pub(crate) fn abandon(&self, extractions: Vec<SnapshotKey>) {
        lock(&self.abandoned).extend(extractions);
    }

    /// Whoever takes them removes them.
    pub(crate) fn take_abandoned(&self) -> Vec<SnapshotKey> {
        std::mem::take(&mut lock(&self.abandoned))
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

    /// Waits until nobody else has the chain. `wanted` is asked now and then
    /// whether to go on waiting: it may take as long as a download.
    pub(crate) fn claim<E>(
        self: &Arc<Self>,
        chain: &Digest,
        wanted: impl Fn() -> Result<(), E>,
    ) -> Result<Claim, E> {
        let mut claimed = lock(&self.claimed);
        while claimed.contains(chain) {
            wanted()?;
            let woken = self.given_back.wait_timeout(claimed, ASKED_EVERY);
            claimed = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        claimed.insert(chain.clone());
        Ok(self.claim_of(chain))
    }

    /// The chain, unless somebody else has it.
    pub(crate) fn try_claim(self: &Arc<Self>, chain: &Digest) -> Option<Claim> {
        let new = lock(&self.claimed).insert(chain.clone());
        new.then(|| self.claim_of(chain))
    }

    fn claim_of(self: &Arc<Self>, chain: &Digest) -> Claim {
        Claim {
            chains: self.clone(),
            which: chain.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Digest {
        Digest::from_sha256([7; 32])
    }

    #[test]
    fn whoever_waits_for_a_chain_gets_it_next_or_stops_when_nobody_wants_it() {
        let chains = Arc::new(DriverChains::default());
        let claim = chains.claim(&chain(), || Ok::<_, ()>(())).unwrap();
        assert!(chains.try_claim(&chain()).is_none());
        assert_eq!(
            chains.claim(&chain(), || Err("unwanted")).unwrap_err(),
            "unwanted"
        );
        std::thread::scope(|scope| {
            let next = scope.spawn(|| chains.claim(&chain(), || Ok::<_, ()>(())).is_ok());
            drop(claim);
            assert!(next.join().unwrap());
        });
        assert!(chains.try_claim(&chain()).is_some());
    }
}
