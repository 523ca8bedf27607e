//! `stop` and `kill`.

use std::time::Duration;

use bulkhead_model::container::{Decision, Request};
use bulkhead_model::process::ProcessRef;
use tokio::sync::watch;

use crate::Engine;
use crate::container::Phase;
use crate::error::EngineError;

pub(crate) const SIGKILL: i32 = 9;
pub(crate) const SIGTERM: i32 = 15;

/// How long a container may take to die of SIGKILL before the engine says so.
pub(crate) const AFTER_KILL: Duration = Duration::from_secs(10);

/// Names in the order of their numbers, from 1 (`signal(7)`, x86 and arm).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal by number (1 to 64) or by name, with or without `SIG`.
pub(crate) fn signal_number(text: &str) -> Result<i32, EngineError> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = SIGNALS
        .iter()
        .position(|s| *s == name)
        .map(|at| at as i32 + 1);
    let number = named
        .or_else(|| text.parse().ok())
        .filter(|n| (1..=64).contains(n));
    number.ok_or_else(|| EngineError::Signal(text.to_owned()))
}

impl Engine {
    /// Sends the stop signal, waits, kills. Returns when the container has
    /// ended. A negative timeout waits for ever.
    pub async fn stop(
        &self,
        id: &str,
        signal: Option<&str>,
        timeout: Option<i64>,
    ) -> Result<Decision, EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        let decision = record.state.decide(Request::Stop);
        if decision != Decision::Proceed {
            return Ok(decision);
        }
        let signal = signal.map_or(Ok(record.stop_signal), signal_number)?;
        let seconds = timeout.or(record.spec.stop_timeout).unwrap_or(10);
        let mut phase = entry.watch();
        // Gone between the look and the signal is as good as stopped.
        let _ = self.runtime.signal(&ProcessRef::first(&record.id), signal);
        let grace = u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs);
        if ended_within(&mut phase, grace).await {
            return Ok(decision);
        }
        let _ = self.runtime.signal(&ProcessRef::first(&record.id), SIGKILL);
        if ended_within(&mut phase, AFTER_KILL).await {
            Ok(decision)
        } else {
            Err(EngineError::WouldNotDie(record.id.to_string()))
        }
    }

    /// Sends one signal.
    pub fn kill(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let signal = signal_number(signal)?;
        let record = self.containers.find(id)?.record();
        match record.state.decide(Request::Kill) {
            Decision::Proceed => Ok(self
                .runtime
                .signal(&ProcessRef::first(&record.id), signal)?),
            refusal => Err(EngineError::refused(
                refusal,
                record.id.as_str(),
                &record.name,
            )),
        }
    }
}

/// Whether the container's process ended in time.
pub(crate) async fn ended_within(phase: &mut watch::Receiver<Phase>, limit: Duration) -> bool {
    let ended = phase.wait_for(|p| !p.running);
    tokio::time::timeout(limit, ended).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_by_name_and_number() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGKILL", 9),
            ("sigusr1", 10),
            ("15", 15),
            ("64", 64),
        ] {
            assert_eq!(signal_number(text).unwrap(), number);
        }
        for bad in ["", "0", "65", "-1", "NOPE"] {
            assert!(signal_number(bad).is_err(), "{bad:?}");
        }
    }
}
