//! Work that nobody waits for: deleting links given up, and having a network
//! namespace ready for the next container.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bulkhead_sys as sys;
use bulkhead_sys::netlink::{Namespace, RouteSocket};

/// How long a link of an ended container has to disappear with its namespace
/// before it is deleted. Deleting waits for grace periods of RCU (20 ms here);
/// the end of a namespace does the same work for many links at once.
const GRACE: Duration = Duration::from_secs(2);

/// How long after a namespace was taken the next one is made: the container
/// that took it should have started by then.
const REFILL: Duration = Duration::from_millis(50);

/// Making a namespace takes half of the time of connecting a container, and
/// several milliseconds while the kernel is taking apart those of containers
/// that just ended. One spare takes this off the way of a start.
type Spare = Arc<Mutex<Option<Namespace>>>;

enum Job {
    DeleteLater(u32),
    Refill,
}

#[derive(Debug)]
pub(super) struct Housekeeper {
    jobs: Sender<Job>,
    spare: Spare,
}

impl Housekeeper {
    /// Starts the thread, which ends with the housekeeper. `route` is its own.
    pub(super) fn start(route: RouteSocket) -> Result<Self, sys::Error> {
        let (jobs, work) = channel();
        let spare = Spare::default();
        let shelf = Arc::clone(&spare);
        thread::Builder::new()
            .name("network".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || keep_house(route, &work, &shelf))
            .map_err(|e| sys::Error::new("clone", "thread of network housekeeping", e))?;
        Ok(Self { jobs, spare })
    }

    /// A new network namespace: the spare one, or one made now.
    pub(super) fn namespace(&self) -> Result<Namespace, sys::Error> {
        let spare = lock(&self.spare).take();
        // The thread ends with the last sender only.
        let _ = self.jobs.send(Job::Refill);
        match spare {
            Some(namespace) => Ok(namespace),
            None => Namespace::create(),
        }
    }

    /// Has the link deleted if it is still there after a while.
    pub(super) fn delete_later(&self, link: u32) {
        let _ = self.jobs.send(Job::DeleteLater(link));
    }
}

fn keep_house(mut route: RouteSocket, work: &Receiver<Job>, spare: &Spare) {
    let mut links: VecDeque<(Instant, u32)> = VecDeque::new();
    let mut refill: Option<Instant> = None;
    loop {
        let link_due = links.front().map(|(due, _)| *due);
        let due = [link_due, refill].into_iter().flatten().min();
        match wait(work, due) {
            Ok(Job::DeleteLater(link)) => links.push_back((Instant::now() + GRACE, link)),
            Ok(Job::Refill) => refill = Some(Instant::now() + REFILL),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if refill.is_some_and(|due| due <= now) {
            refill = None;
            // Without a spare the next start makes its own and reports the error.
            *lock(spare) = Namespace::create().ok();
        }
        while let Some((_, link)) = links.pop_front_if(|(due, _)| *due <= now) {
            // An error means that it is gone, or that nothing can be done; the
            // port is disabled in any case.
            let _ = route.delete_link_by_index(link);
        }
    }
}

fn wait(work: &Receiver<Job>, due: Option<Instant>) -> Result<Job, RecvTimeoutError> {
    match due {
        None => work.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(due) => work.recv_timeout(due.saturating_duration_since(Instant::now())),
    }
}

fn lock(spare: &Spare) -> std::sync::MutexGuard<'_, Option<Namespace>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
