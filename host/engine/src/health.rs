//! Health checks of live containers: how they are kept, and one probe. When
//! and what for is the policy of [`bulkhead_model::health`].

use std::collections::VecDeque;
use std::time::Duration;

use bulkhead_model::health::{Health, HealthCheck, HealthOptions, HealthStatus, OUTPUT, Probe};
use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::exec::ExecSpec;
use crate::{Engine, now};

/// A container's check and what it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watched {
    /// What is run.
    #[serde(with = "CheckRecord")]
    pub check: HealthCheck,
    /// What came of it.
    #[serde(with = "HealthRecord")]
    pub health: Health,
}

/// What a user asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HealthSpec(#[serde(with = "OptionsRecord")] pub HealthOptions);

#[derive(Serialize, Deserialize)]
#[serde(remote = "HealthOptions")]
struct OptionsRecord {
    test: Vec<String>,
    interval: Duration,
    timeout: Duration,
    retries: u32,
    start_period: Duration,
    start_interval: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "HealthCheck")]
struct CheckRecord {
    command: Vec<String>,
    interval: Duration,
    timeout: Duration,
    retries: u32,
    start_period: Duration,
    start_interval: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "HealthStatus")]
enum StatusRecord {
    Starting,
    Healthy,
    Unhealthy,
}

/// The log is kept as plain tuples: start, end, code, output.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Health")]
struct HealthRecord {
    #[serde(with = "StatusRecord")]
    status: HealthStatus,
    failing_streak: u32,
    #[serde(with = "log")]
    log: VecDeque<Probe>,
}

mod log {
    use std::collections::VecDeque;

    use bulkhead_model::health::Probe;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        log: &VecDeque<Probe>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_seq(log.iter().map(|p| (p.start, p.end, p.code, &p.output)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<VecDeque<Probe>, D::Error> {
        let rows: Vec<(u64, u64, i32, String)> = Vec::deserialize(input)?;
        let probe = |(start, end, code, output)| Probe {
            start,
            end,
            code,
            output,
        };
        Ok(rows.into_iter().map(probe).collect())
    }
}

/// The check of a new container: the user's over the image's.
pub(crate) fn watched(
    asked: Option<&HealthSpec>,
    image: Option<&HealthOptions>,
) -> Option<Watched> {
    let nothing = HealthOptions::default();
    let asked = asked.map_or(&nothing, |spec| &spec.0);
    let check = asked.over(image.unwrap_or(&nothing)).check()?;
    Some(Watched {
        check,
        health: Health::default(),
    })
}

/// A container that starts is `starting`, whatever it was.
pub(crate) fn begin(record: &mut Container) {
    if let Some(watched) = &mut record.health {
        watched.health.status = HealthStatus::Starting;
        watched.health.failing_streak = 0;
    }
}

/// Nobody probes a container that ended.
pub(crate) fn end(record: &mut Container) {
    if let Some(watched) = &mut record.health {
        watched.health.stop();
    }
}

/// How long after now the next probe is due.
pub(crate) fn wait(record: &Container) -> Option<Duration> {
    let watched = record.health.as_ref()?;
    let age = Duration::from_nanos(now().saturating_sub(record.state.started_at()));
    Some(watched.health.wait(&watched.check, age))
}

impl Engine {
    /// Runs a container's check once.
    pub(crate) fn probe(&self, record: &Container, check: &HealthCheck) -> Probe {
        let start = now();
        let spec = ExecSpec {
            args: check.command.clone(),
            stdout: true,
            stderr: true,
            ..ExecSpec::default()
        };
        let done = self.exec_and_capture(&record.id, &spec, check.timeout);
        let (code, output) = match done {
            Ok(done) => {
                let text = String::from_utf8_lossy(&done.output).into_owned();
                match done.code {
                    Some(code) => (code, text),
                    None => (-1, too_long(check.timeout, &text)),
                }
            }
            Err(error) => (-1, bulkhead_model::error::message(&error)),
        };
        Probe {
            start,
            end: now(),
            code,
            output: cut(output),
        }
    }

    /// Takes a result in. It is written down only when the verdict changed:
    /// the next engine probes anew.
    pub(crate) fn probed(&self, entry: &Entry, probe: Probe) -> Result<(), EngineError> {
        let mut record = Container::clone(&entry.record());
        let started_at = record.state.started_at();
        let Some(watched) = &mut record.health else {
            return Ok(());
        };
        let changed = watched.health.take(probe, &watched.check, started_at);
        let health = Some(watched.clone());
        if !changed {
            self.containers.note(entry, |record| record.health = health);
            return Ok(());
        }
        let verdict = watched.health.status.as_str();
        let record = (self.containers).update(entry, |record| record.health = health)?;
        self.events
            .container(&record, format!("health_status: {verdict}"), []);
        Ok(())
    }
}

fn too_long(timeout: Duration, output: &str) -> String {
    let seconds = timeout.as_secs_f64();
    let after = if output.is_empty() { "" } else { ": " };
    format!("Health check exceeded timeout ({seconds}s){after}{output}")
}

fn cut(mut output: String) -> String {
    if output.len() > OUTPUT {
        output.truncate(output.floor_char_boundary(OUTPUT));
    }
    output
}
