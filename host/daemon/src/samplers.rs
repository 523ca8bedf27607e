//! What containers use, looked at once a second however many clients watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bulkhead_model::ContainerId;
use bulkhead_model::process::{Runtime as _, Stats};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::daemon::Daemon;

const PERIOD: Duration = Duration::from_secs(1);

/// A container's use of the machine at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Absent for one that does not run.
    pub taken: Option<(SystemTime, Stats)>,
}

type Latest = Option<Arc<Sample>>;

/// The containers that somebody watches.
#[derive(Debug, Default)]
pub struct Samplers(Mutex<HashMap<ContainerId, watch::Sender<Latest>>>);

impl Samplers {
    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, watch::Sender<Latest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody watches any more; then it is forgotten.
    fn let_go(&self, id: &ContainerId) -> bool {
        let mut all = self.lock();
        let watched = all.get(id).is_some_and(|sender| !sender.is_closed());
        if !watched {
            all.remove(id);
        }
        !watched
    }
}

/// Takes one sample now.
pub async fn sample(daemon: &Arc<Daemon>, id: &ContainerId) -> Sample {
    let (runtime, id) = (daemon.runtime.clone(), id.clone());
    let read = tokio::task::spawn_blocking(move || runtime.stats(&id).ok());
    let stats = read.await.ok().flatten();
    Sample {
        taken: stats.map(|stats| (SystemTime::now(), stats)),
    }
}

/// Watches a container: a sample a second, until it is removed.
pub fn watch(daemon: &Arc<Daemon>, id: &ContainerId) -> watch::Receiver<Latest> {
    let mut all = daemon.samplers.lock();
    if let Some(sender) = all.get(id) {
        return sender.subscribe();
    }
    let (sender, receiver) = watch::channel(None);
    all.insert(id.clone(), sender.clone());
    tokio::spawn(run(daemon.clone(), id.clone(), sender));
    receiver
}

async fn run(daemon: Arc<Daemon>, id: ContainerId, sender: watch::Sender<Latest>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => {}
        }
        if daemon.samplers.let_go(&id) {
            return;
        }
        if daemon.engine.containers.find(id.as_str()).is_err() {
            // Those who watch see the end.
            daemon.samplers.lock().remove(&id);
            return;
        }
        let sample = sample(&daemon, &id).await;
        sender.send_replace(Some(Arc::new(sample)));
    }
}
