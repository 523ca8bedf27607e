//! `rm`: the record, the snapshot and, when asked, the volumes.

use std::time::Duration;

use bulkhead_model::container::{Decision, Refusal, Request};
use bulkhead_model::error::{ErrorKind, Kind, message};

use crate::Engine;
use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::live::Message;

/// How many runners a removal may outlive.
const RUNNERS: usize = 3;

/// Seconds between the attempts to remove the files of a container that is
/// forgotten: a runner that died too often rests. What stays then stays until
/// the engine starts anew.
const PAUSES: [u64; 7] = [1, 2, 3, 5, 10, 20, 40];

impl Engine {
    /// Removes a container; one that runs is killed first when forced, else
    /// refused. Its anonymous volumes go with it when asked.
    pub async fn remove(&self, id: &str, force: bool, volumes: bool) -> Result<(), EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        // While its driver removes it, the driver does not listen.
        let already = Decision::Refuse(Refusal::AlreadyRemoving);
        if record.state.decide(Request::Remove { force }) == already {
            let refusal = Refusal::AlreadyRemoving;
            return Err(EngineError::refused(
                refusal,
                record.id.as_str(),
                &record.name,
            ));
        }
        let asked = (entry.mailbox).ask(|reply| Message::Remove {
            force,
            volumes,
            reply,
        });
        // Gone meanwhile, by its own end or another's wish, is as good as removed.
        asked.await.unwrap_or(Ok(Decision::Proceed)).map(drop)
    }

    /// Removes what a driver let go of.
    ///
    /// The files go first: when they can't be removed, the user is told and may
    /// try again.
    pub(crate) fn remove_record(&self, entry: &Entry) -> Result<(), EngineError> {
        let record = entry.record();
        self.remove_files(&record)?;
        if record.remove_volumes {
            self.remove_anonymous_volumes(&record);
        }
        self.containers.delete(&record.id)?;
        self.let_clients_go(&record.id);
        self.events.container(&record, "destroy", []);
        Ok(())
    }

    /// Removes a container that goes with its end. Its record goes before its
    /// files, so that whoever waits for the removal does not wait for a disk:
    /// nobody can name it any more, and should the engine end here, `sweep`
    /// finds the files. It would not find volumes.
    pub(crate) fn forget(&self, record: &Container) -> Result<(), EngineError> {
        self.remove_anonymous_volumes(record);
        self.containers.delete(&record.id)?;
        self.let_clients_go(&record.id);
        self.events.container(record, "destroy", []);
        if let Err(error) = self.remove_files(record) {
            let error = message(&error);
            tracing::warn!(container = %record.id, error, "removing a container's files");
            self.remove_files_later(record.clone());
        }
        Ok(())
    }

    /// Tries again, while nobody waits for it. No other container will ever
    /// have these files' names.
    fn remove_files_later(&self, record: Container) {
        let me = self.me.clone();
        self.handle.spawn(async move {
            for seconds in PAUSES {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let Some(engine) = me.upgrade() else { return };
                let (handle, record) = (engine.handle.clone(), record.clone());
                let removal = handle.spawn_blocking(move || engine.remove_files(&record));
                match removal.await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => tracing::debug!(error = message(&error), "not removed yet"),
                    Err(error) => tracing::warn!(%error, "removing a container's files"),
                }
            }
            tracing::warn!(container = %record.id, "its files stay until the next start");
        });
    }

    fn remove_files(&self, record: &Container) -> Result<(), EngineError> {
        self.remove_snapshot(record)?;
        Ok(self.store.remove_container_dir(&record.id)?)
    }

    /// Takes a container's snapshot away through its driver.
    pub(crate) fn remove_snapshot(&self, record: &Container) -> Result<(), EngineError> {
        self.prepared
            .lock()
            .expect("prepared mounts")
            .remove(&record.id);
        let driver = self.storage_driver(Some(&record.storage_driver))?;
        let root = self.runtime.driver_root(driver.driver_name());
        let mut plan = driver.remove(&*root, &record.snapshot());
        for _ in 1..RUNNERS {
            // A runner that died is started again for the next call.
            match &plan {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    plan = driver.remove(&*root, &record.snapshot());
                }
                _ => break,
            }
        }
        Ok((self.runtime).apply_storage(driver.driver_name(), &plan?)?)
    }
}
