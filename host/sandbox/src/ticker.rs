//! Time for guests: raises the engine's epoch while calls run, and sleeps
//! while none does, so that an idle runner causes no wake-ups.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use wasmtime::Engine;

/// How precise a guest's time limit is.
pub const TICK: Duration = Duration::from_millis(10);

/// Ticks without a call before the thread sleeps. Waking it costs a call two
/// microseconds, so a burst of calls wakes it once.
const IDLE_TICKS: u32 = 100;

/// Counts running calls.
#[derive(Debug, Default)]
pub struct Ticker {
    running: AtomicU32,
    asleep: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Ticker {
    /// A call begins; it ends when the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            let _held = self.lock.lock().unwrap_or_else(|e| e.into_inner());
            self.wake.notify_one();
        }
        Running(Arc::clone(self))
    }

    /// Raises `engine`'s epoch for ever.
    pub fn run(&self, engine: &Engine) -> ! {
        let mut idle = 0;
        loop {
            std::thread::sleep(TICK);
            if self.running.load(Ordering::SeqCst) > 0 {
                engine.increment_epoch();
                idle = 0;
                continue;
            }
            idle += 1;
            if idle > IDLE_TICKS {
                self.sleep();
                idle = 0;
            }
        }
    }

    /// `asleep` is stored before `running` is read, and `begin` does it the
    /// other way round: one of both sees the other's write.
    fn sleep(&self) {
        let mut held = self.lock.lock().unwrap_or_else(|e| e.into_inner());
        self.asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 {
            held = self.wake.wait(held).unwrap_or_else(|e| e.into_inner());
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// A call is running.
#[derive(Debug)]
pub struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
