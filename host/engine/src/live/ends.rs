//! Those who wait for the end of a process, and when their patience ends.

use std::time::Duration;

use tokio::time::Instant;

use super::Reply;

/// How long a container may take to die of SIGKILL before the engine says so.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// What somebody waits for the end for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Stop,
    Restart,
    Remove,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) purpose: Purpose,
    pub(super) reply: Reply,
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug)]
enum Deadline {
    Never,
    Kill(Instant),
    GiveUp(Instant),
}

/// What is to be done when a deadline passed.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// Send SIGKILL.
    pub(super) kill: bool,
    /// Tell these that it did not end.
    pub(super) given_up: Vec<Waiter>,
}

/// All who wait for one process.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<Waiter>);

impl Waiters {
    /// Waits until `seconds` after the signal before SIGKILL; for ever when
    /// they are negative.
    pub(super) fn after_signal(&mut self, purpose: Purpose, seconds: i64, reply: Reply) {
        let grace = u64::try_from(seconds).ok().map(Duration::from_secs);
        let deadline = grace.and_then(|grace| Instant::now().checked_add(grace));
        self.push(
            purpose,
            deadline.map_or(Deadline::Never, Deadline::Kill),
            reply,
        );
    }

    /// SIGKILL is under way.
    pub(super) fn after_kill(&mut self, purpose: Purpose, reply: Reply) {
        self.push(
            purpose,
            Deadline::GiveUp(Instant::now() + AFTER_KILL),
            reply,
        );
    }

    fn push(&mut self, purpose: Purpose, deadline: Deadline, reply: Reply) {
        self.0.push(Waiter {
            purpose,
            reply,
            deadline,
        });
    }

    /// The next deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let at = |waiter: &Waiter| match waiter.deadline {
            Deadline::Never => None,
            Deadline::Kill(at) | Deadline::GiveUp(at) => Some(at),
        };
        self.0.iter().filter_map(at).min()
    }

    /// Those whose deadline passed by `now`.
    pub(super) fn overdue(&mut self, now: Instant) -> Overdue {
        let mut overdue = Overdue::default();
        for waiter in &mut self.0 {
            if matches!(waiter.deadline, Deadline::Kill(at) if at <= now) {
                waiter.deadline = Deadline::GiveUp(now + AFTER_KILL);
                overdue.kill = true;
            }
        }
        let passed = |w: &mut Waiter| matches!(w.deadline, Deadline::GiveUp(at) if at <= now);
        overdue.given_up = self.0.extract_if(.., passed).collect();
        overdue
    }

    /// Everybody: the end has come.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn the_first_deadline_kills_once_and_then_patience_ends() {
        let mut waiters = Waiters::default();
        let reply = || oneshot::channel().0;
        waiters.after_signal(Purpose::Stop, -1, reply());
        assert!(waiters.deadline().is_none());
        waiters.after_signal(Purpose::Stop, 0, reply());
        let now = Instant::now();
        let overdue = waiters.overdue(now);
        assert!(overdue.kill && overdue.given_up.is_empty());
        assert!(!waiters.overdue(now).kill);
        let given_up = waiters.overdue(now + AFTER_KILL).given_up;
        assert_eq!((given_up.len(), waiters.take().len()), (1, 1));
    }
}
