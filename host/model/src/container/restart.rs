//! When a container is started again by itself, and how long after its end.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(60);
/// A run of this length makes the next wait the first again.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// What the user asked for with `--restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Whenever it ends.
    Always,
    /// Whenever it ends, unless it was stopped by hand.
    UnlessStopped,
    /// When it fails.
    OnFailure {
        /// So often at most; 0 for without end.
        retries: u32,
    },
}

impl RestartPolicy {
    /// Whether it ever asks for a start.
    pub fn is_none(self) -> bool {
        self == Self::No
    }

    /// Whether a container that ended with `code` and was started `count`
    /// times by its policy is started once more.
    pub fn wants(self, code: i32, count: u32, stopped_by_hand: bool) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped_by_hand,
            Self::OnFailure { retries } => code != 0 && (retries == 0 || count < retries),
        }
    }
}

/// How a policy's restarts went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Starts by the policy since the last one by hand.
    pub count: u32,
    /// Somebody stopped or killed it since then.
    pub stopped_by_hand: bool,
    /// The last wait.
    pub wait: Duration,
}

impl Restarts {
    /// The wait before the next start after a run that lasted `up`, or `None`
    /// when there is none.
    pub fn after(&mut self, policy: RestartPolicy, code: i32, up: Duration) -> Option<Duration> {
        if !policy.wants(code, self.count, self.stopped_by_hand) {
            return None;
        }
        if up >= GOOD_RUN {
            self.wait = Duration::ZERO;
        }
        self.wait = match self.wait {
            Duration::ZERO => FIRST,
            wait => (wait * 2).min(LONGEST),
        };
        self.count = self.count.saturating_add(1);
        Some(self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew_after_a_good_run() {
        let mut restarts = Restarts::default();
        let mut next = |up| restarts.after(RestartPolicy::Always, 0, up).unwrap();
        let waits: Vec<_> = (0..12).map(|_| next(SHORT).as_millis()).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[10..], [60_000, 60_000]);
        assert_eq!(next(GOOD_RUN), FIRST);
    }

    #[test]
    fn on_failure_counts_and_looks_at_the_code() {
        let mut restarts = Restarts::default();
        let policy = RestartPolicy::OnFailure { retries: 2 };
        assert!(restarts.after(policy, 0, SHORT).is_none());
        assert!(restarts.after(policy, 1, SHORT).is_some());
        assert!(restarts.after(policy, 1, SHORT).is_some());
        assert!(restarts.after(policy, 1, SHORT).is_none());
        assert_eq!(restarts.count, 2);
        let endless = RestartPolicy::OnFailure { retries: 0 };
        assert!(restarts.after(endless, 1, SHORT).is_some());
    }

    #[test]
    fn only_unless_stopped_minds_the_hand() {
        assert!(RestartPolicy::Always.wants(0, 0, true));
        assert!(!RestartPolicy::UnlessStopped.wants(0, 0, true));
        assert!(RestartPolicy::UnlessStopped.wants(0, 0, false));
        assert!(!RestartPolicy::No.wants(1, 0, false));
    }
}
