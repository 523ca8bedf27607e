//! When a container's health is looked at.

use bulkhead_model::health::Probe;
use tokio::time::Instant;

use super::Driver;
use crate::health;

impl Driver {
    pub(super) fn probe_later(&mut self) {
        let wait = health::wait(&self.entry.record());
        self.probe_due = wait.and_then(|wait| Instant::now().checked_add(wait));
    }

    /// What is frozen is not asked, and cannot answer.
    pub(super) fn begin_probe(&mut self) {
        self.probe_due = None;
        let record = self.entry.record();
        let Some(watched) = record.health.clone().filter(|_| self.end.is_some()) else {
            return;
        };
        if self.life.state.is_paused() {
            return self.probe_later();
        }
        let engine = self.engine.clone();
        let probing =
            (self.engine.handle).spawn_blocking(move || engine.probe(&record, &watched.check));
        self.probe = Some(Box::pin(async move {
            match probing.await {
                Ok(probe) => probe,
                // It panicked: its container is not heard of again.
                Err(_) => std::future::pending().await,
            }
        }));
    }

    pub(super) async fn probed(&mut self, probe: Probe) {
        self.probe = None;
        let work = self.blocking(move |engine, entry| engine.probed(entry, probe));
        if let Err(error) = work.await {
            self.log("recording a container's health", &error);
        }
        self.probe_later();
    }
}
