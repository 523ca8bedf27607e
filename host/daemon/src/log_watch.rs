//! Wakes those who follow logs. One inotify instance serves them all: a user
//! has only 128 (`inotify(7)`, `max_user_instances`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulkhead_sys::inotify::{Inotify, Watch};
use tokio::sync::watch;

/// How often a folder is looked at that can't be watched.
const LOOK: Duration = Duration::from_millis(250);

/// The folders that somebody follows.
#[derive(Debug, Default)]
pub struct LogWatch {
    shared: Mutex<Option<Arc<Shared>>>,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    folders: Mutex<HashMap<Watch, watch::Sender<()>>>,
}

/// One follower of one folder.
#[derive(Debug)]
pub struct Follower {
    watched: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    shared: Arc<Shared>,
    watch: Watch,
    changes: Option<watch::Receiver<()>>,
}

impl LogWatch {
    /// Follows a folder from now on.
    pub fn follow(&self, folder: &Path) -> Follower {
        let watched = self.shared().and_then(|shared| shared.subscribe(folder));
        if let Err(error) = &watched {
            let error = bulkhead_model::error::message(error);
            tracing::warn!(error, "logs are looked at four times a second");
        }
        Follower {
            watched: watched.ok(),
        }
    }

    fn shared(&self) -> bulkhead_sys::Result<Arc<Shared>> {
        let mut shared = lock(&self.shared);
        if let Some(shared) = &*shared {
            return Ok(shared.clone());
        }
        let made = Arc::new(Shared {
            inotify: Inotify::new()?,
            folders: Mutex::default(),
        });
        let told = made.clone();
        let thread = std::thread::Builder::new().name("log-watch".into());
        let started = thread.spawn(move || told.tell());
        started.map_err(|e| bulkhead_sys::Error::new("clone", "log-watch", e))?;
        *shared = Some(made.clone());
        Ok(made)
    }
}

impl Shared {
    fn subscribe(self: Arc<Self>, folder: &Path) -> bulkhead_sys::Result<Watched> {
        let mut folders = lock(&self.folders);
        let watch = self.inotify.watch_files(folder)?;
        let sender = folders.entry(watch).or_default();
        let changes = Some(sender.subscribe());
        drop(folders);
        Ok(Watched {
            shared: self,
            watch,
            changes,
        })
    }

    /// For as long as the daemon lives.
    fn tell(&self) {
        while let Ok(changes) = self.inotify.read() {
            let mut folders = lock(&self.folders);
            for change in changes {
                match change.watch {
                    Some(watch) if change.ended => drop(folders.remove(&watch)),
                    Some(watch) => folders.get(&watch).into_iter().for_each(wake),
                    None => folders.values().for_each(wake),
                }
            }
        }
    }
}

fn wake(folder: &watch::Sender<()>) {
    folder.send_replace(());
}

impl Follower {
    /// What changes from now on is told.
    pub fn mark_seen(&mut self) {
        if let Some(changes) = self.watched.as_mut().and_then(|w| w.changes.as_mut()) {
            changes.mark_unchanged();
        }
    }

    /// Waits until something changes; for ever when the folder is gone.
    pub async fn changed(&mut self) {
        let Some(watched) = &mut self.watched else {
            return tokio::time::sleep(LOOK).await;
        };
        let changes = watched.changes.as_mut();
        let told = changes.expect("taken only when dropped").changed().await;
        if told.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut folders = lock(&self.shared.folders);
        self.changes.take();
        let last = folders
            .get(&self.watch)
            .is_some_and(watch::Sender::is_closed);
        if last {
            folders.remove(&self.watch);
            // A folder that is gone was let go by the kernel.
            let _ = self.shared.inotify.forget(self.watch);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn every_follower_is_woken_and_the_last_takes_the_watch_along() {
        let temp = tempfile::tempdir().unwrap();
        let all = LogWatch::default();
        let mut first = all.follow(temp.path());
        let mut second = all.follow(temp.path());
        for round in 0..3 {
            first.mark_seen();
            second.mark_seen();
            std::fs::write(temp.path().join("x"), round.to_string()).unwrap();
            tokio::time::timeout(SOON, first.changed()).await.unwrap();
            tokio::time::timeout(SOON, second.changed()).await.unwrap();
        }
        drop(first);
        assert_eq!(lock(&all.shared().unwrap().folders).len(), 1);
        drop(second);
        assert!(lock(&all.shared().unwrap().folders).is_empty());
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_wakes_nobody() {
        let temp = tempfile::tempdir().unwrap();
        let all = LogWatch::default();
        let mut follower = all.follow(temp.path());
        follower.mark_seen();
        drop(temp);
        let woken = tokio::time::timeout(Duration::from_millis(200), follower.changed());
        assert!(woken.await.is_err());
        assert!(all.follow(Path::new("/nowhere")).watched.is_none());
    }
}
