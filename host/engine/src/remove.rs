//! `rm`: the record, the snapshot and, when asked, the volumes.

use bulkhead_model::container::{Decision, Refusal, Request};

use crate::Engine;
use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::live::Message;

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
    pub(crate) fn remove_record(&self, entry: &Entry, volumes: bool) -> Result<(), EngineError> {
        let record = entry.record();
        self.forget_keeping(&record, !volumes)
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
        self.remove_files(record)
    }

    /// The files go first: when they can't be removed, the user is told and may
    /// try again.
    fn forget_keeping(&self, record: &Container, keep_volumes: bool) -> Result<(), EngineError> {
        self.remove_files(record)?;
        if !keep_volumes {
            self.remove_anonymous_volumes(record);
        }
        self.containers.delete(&record.id)?;
        self.let_clients_go(&record.id);
        self.events.container(record, "destroy", []);
        Ok(())
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
        let plan = driver.remove(&*root, &record.snapshot())?;
        Ok(self.runtime.apply_storage(driver.driver_name(), &plan)?)
    }
}
