//! `rm`: the record, the snapshot and, when asked, the volumes.

use bulkhead_model::ContainerId;
use bulkhead_model::container::{Decision, Request};
use bulkhead_model::process::ProcessRef;

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;
use crate::stop::{AFTER_KILL, SIGKILL, ended_within};

impl Engine {
    /// Makes a container ready for `remove`: one that runs is killed when
    /// forced, else refused.
    pub async fn stop_for_removal(&self, id: &ContainerId, force: bool) -> Result<(), EngineError> {
        let entry = self.containers.find(id.as_str())?;
        let record = entry.record();
        match record.state.decide(Request::Remove { force }) {
            Decision::Proceed => Ok(()),
            Decision::KillFirst => {
                let mut phase = entry.watch();
                // Gone between the look and the signal is as good as killed.
                let _ = self.runtime.signal(&ProcessRef::first(&record.id), SIGKILL);
                let ended = ended_within(&mut phase, AFTER_KILL).await;
                if ended {
                    Ok(())
                } else {
                    Err(EngineError::WouldNotDie(record.id.to_string()))
                }
            }
            refusal => Err(EngineError::refused(
                refusal,
                record.id.as_str(),
                &record.name,
            )),
        }
    }

    /// Removes a container that does not run.
    pub fn remove(&self, id: &str, volumes: bool) -> Result<(), EngineError> {
        let Ok(entry) = self.containers.find(id) else {
            // With --rm its end has removed it already.
            return Ok(());
        };
        let _exclusive = entry.exclusive();
        let record = entry.record();
        if record.state.is_running() {
            return Err(EngineError::refused(
                Decision::StillRunning,
                record.id.as_str(),
                &record.name,
            ));
        }
        if self.containers.find(record.id.as_str()).is_err() {
            return Ok(());
        }
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
