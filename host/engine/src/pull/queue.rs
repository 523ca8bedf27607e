//! Which layers a pull's workers have taken, and which are laid out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

/// The layers to bring, handed out in order.
pub(super) struct Queue {
    /// Their places in the image.
    pub(super) missing: Vec<usize>,
    next: AtomicUsize,
    stop: AtomicBool,
    pub(super) done: Progressed,
}

impl Queue {
    pub(super) fn new(missing: Vec<usize>) -> Self {
        Self {
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            done: Progressed::new(missing.len()),
            missing,
        }
    }

    /// The next position, `None` at the end or after a failure.
    pub(super) fn take(&self) -> Option<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < self.missing.len())
    }

    pub(super) fn abort(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.done.abort();
    }
}

/// Which positions of the queue are laid out.
pub(super) struct Progressed {
    state: Mutex<(Vec<bool>, bool)>,
    changed: Condvar,
}

impl Progressed {
    fn new(count: usize) -> Self {
        Self {
            state: Mutex::new((vec![false; count], false)),
            changed: Condvar::new(),
        }
    }

    pub(super) fn finished(&self, position: usize) {
        self.state.lock().expect("pull progress").0[position] = true;
        self.changed.notify_all();
    }

    fn abort(&self) {
        self.state.lock().expect("pull progress").1 = true;
        self.changed.notify_all();
    }

    /// Whether everything before `position` is laid out.
    pub(super) fn is_next(&self, position: usize) -> bool {
        let state = self.state.lock().expect("pull progress");
        state.0[..position].iter().all(|done| *done)
    }

    /// Waits for everything before `position`; false when the pull failed elsewhere.
    pub(super) fn wait_for(&self, position: usize) -> bool {
        let state = self.state.lock().expect("pull progress");
        let pending = |s: &mut (Vec<bool>, bool)| !s.1 && !s.0[..position].iter().all(|d| *d);
        let state = self
            .changed
            .wait_while(state, pending)
            .expect("pull progress");
        !state.1
    }
}
