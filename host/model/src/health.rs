//! Health checks as a pure policy: when to probe, and what a result means.
//!
//! ```text
//! Starting ──success──▶ Healthy ◀──success── Unhealthy
//!     │                    │                     ▲
//!     └── `retries` failures in a row ───────────┘
//! ```
//!
//! Failures during the start period do not count, until a success ends it.

use std::collections::VecDeque;
use std::time::Duration;

/// Results that are kept.
const KEPT: usize = 5;
/// Bytes of a result's output that are kept.
pub const OUTPUT: usize = 4096;

/// What is run, how often, and how long it may take. Zero and `None` have
/// been replaced by Docker's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The command line; never empty.
    pub command: Vec<String>,
    /// Between two probes.
    pub interval: Duration,
    /// For one probe.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy; at least 1.
    pub retries: u32,
    /// After the start, in which failures do not count.
    pub start_period: Duration,
    /// Between two probes in the start period.
    pub start_interval: Duration,
}

/// What a user or an image says of a health check. Empty and zero say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthOptions {
    /// `NONE`; `CMD` and a command line; `CMD-SHELL` and a line for a shell.
    pub test: Vec<String>,
    /// See [`HealthCheck`].
    pub interval: Duration,
    /// See [`HealthCheck`].
    pub timeout: Duration,
    /// See [`HealthCheck`].
    pub retries: u32,
    /// See [`HealthCheck`].
    pub start_period: Duration,
    /// See [`HealthCheck`].
    pub start_interval: Duration,
}

impl HealthOptions {
    /// These, and the image's where these say nothing.
    pub fn over(&self, image: &Self) -> Self {
        let duration = |own: Duration, image: Duration| if own.is_zero() { image } else { own };
        Self {
            test: if self.test.is_empty() {
                image.test.clone()
            } else {
                self.test.clone()
            },
            interval: duration(self.interval, image.interval),
            timeout: duration(self.timeout, image.timeout),
            retries: if self.retries == 0 {
                image.retries
            } else {
                self.retries
            },
            start_period: duration(self.start_period, image.start_period),
            start_interval: duration(self.start_interval, image.start_interval),
        }
    }

    /// The check, with Docker's defaults; `None` when there is none.
    pub fn check(&self) -> Option<HealthCheck> {
        let (kind, rest) = self.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" if !rest.is_empty() => rest.to_vec(),
            "CMD-SHELL" => ["/bin/sh", "-c", rest.first()?].map(str::to_owned).into(),
            _ => return None,
        };
        let or = |own: Duration, seconds| {
            if own.is_zero() {
                Duration::from_secs(seconds)
            } else {
                own
            }
        };
        Some(HealthCheck {
            command,
            interval: or(self.interval, 30),
            timeout: or(self.timeout, 30),
            retries: if self.retries == 0 { 3 } else { self.retries },
            start_period: self.start_period,
            start_interval: or(self.start_interval, 5),
        })
    }
}

/// What a container's health is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// No verdict yet.
    #[default]
    Starting,
    /// The last probe succeeded.
    Healthy,
    /// Too many probes failed, or nobody probes any more.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Nanoseconds since the epoch.
    pub start: u64,
    /// Nanoseconds since the epoch.
    pub end: u64,
    /// 0 for success; -1 when it took too long or could not be run.
    pub code: i32,
    /// What it wrote, at most [`OUTPUT`] bytes.
    pub output: String,
}

/// A container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last results, oldest first.
    pub log: VecDeque<Probe>,
}

impl Health {
    /// Takes a result in; whether the verdict changed.
    pub fn take(&mut self, probe: Probe, check: &HealthCheck, started_at: u64) -> bool {
        let before = self.status;
        if probe.code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if !self.is_excused(&probe, check, started_at) {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(probe);
        before != self.status
    }

    fn is_excused(&self, probe: &Probe, check: &HealthCheck, started_at: u64) -> bool {
        let age = Duration::from_nanos(probe.start.saturating_sub(started_at));
        self.status == HealthStatus::Starting && age < check.start_period
    }

    /// How long to wait before the next probe, `age` after the start.
    pub fn wait(&self, check: &HealthCheck, age: Duration) -> Duration {
        if self.status == HealthStatus::Starting && age < check.start_period {
            check.start_interval
        } else {
            check.interval
        }
    }

    /// Nobody probes any more: Docker calls that unhealthy.
    pub fn stop(&mut self) {
        self.status = HealthStatus::Unhealthy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn check() -> HealthCheck {
        HealthCheck {
            command: vec!["true".into()],
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::from_secs(10),
            start_interval: Duration::from_secs(5),
        }
    }

    fn probe(second: u64, code: i32) -> Probe {
        Probe {
            start: second * SECOND,
            end: second * SECOND,
            code,
            output: String::new(),
        }
    }

    #[test]
    fn failures_count_only_after_the_start_period() {
        let (check, mut health) = (check(), Health::default());
        assert!(!health.take(probe(1, 1), &check, 0));
        assert_eq!(health.failing_streak, 0);
        assert!(!health.take(probe(11, 1), &check, 0));
        assert!(!health.take(probe(12, -1), &check, 0));
        assert!(health.take(probe(13, 1), &check, 0));
        assert_eq!(health.status, HealthStatus::Unhealthy);
        assert!(health.take(probe(14, 0), &check, 0));
        assert_eq!(
            (health.status, health.failing_streak),
            (HealthStatus::Healthy, 0)
        );
    }

    #[test]
    fn a_success_ends_the_start_period() {
        let (check, mut health) = (check(), Health::default());
        assert_eq!(health.wait(&check, Duration::ZERO), check.start_interval);
        assert!(health.take(probe(1, 0), &check, 0));
        assert_eq!(health.wait(&check, Duration::ZERO), check.interval);
        for second in 2..5 {
            health.take(probe(second, 1), &check, 0);
        }
        assert_eq!(health.status, HealthStatus::Unhealthy);
    }

    #[test]
    fn a_container_says_what_its_image_does_not() {
        let image = HealthOptions {
            test: vec!["CMD-SHELL".into(), "a b".into()],
            interval: Duration::from_secs(7),
            ..HealthOptions::default()
        };
        let own = HealthOptions {
            retries: 5,
            ..HealthOptions::default()
        };
        let check = own.over(&image).check().unwrap();
        assert_eq!(check.command, ["/bin/sh", "-c", "a b"]);
        assert_eq!(
            (
                check.interval.as_secs(),
                check.timeout.as_secs(),
                check.retries
            ),
            (7, 30, 5)
        );
        let none = HealthOptions {
            test: vec!["NONE".into()],
            ..HealthOptions::default()
        };
        assert!(none.over(&image).check().is_none());
    }

    #[test]
    fn five_results_are_kept() {
        let (check, mut health) = (check(), Health::default());
        for second in 0..9 {
            health.take(probe(second, 0), &check, 0);
        }
        assert_eq!(health.log.len(), 5);
        assert_eq!(health.log[0].start, 4 * SECOND);
    }
}
