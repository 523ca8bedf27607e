//! `stop`, `kill`, `restart`, `pause` and `unpause`.

use std::time::Duration;

use bulkhead_model::container::Decision;

use crate::Engine;
use crate::error::EngineError;
use crate::live::{Ending, Message, Pausing};

pub(crate) const SIGKILL: i32 = 9;
pub(crate) const SIGTERM: i32 = 15;

/// How long a kill waits for the end.
const KILLED: Duration = Duration::from_secs(10);

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
    /// ended. A negative timeout, in seconds, waits for ever.
    pub async fn stop(
        &self,
        id: &str,
        signal: Option<&str>,
        timeout: Option<i64>,
    ) -> Result<Decision, EngineError> {
        let ending = ending(signal, timeout)?;
        self.request(id, |reply| Message::Stop(ending, reply)).await
    }

    /// Stops a container that runs, and starts it.
    pub async fn restart(
        &self,
        id: &str,
        signal: Option<&str>,
        timeout: Option<i64>,
    ) -> Result<Decision, EngineError> {
        let ending = ending(signal, timeout)?;
        self.request(id, |reply| Message::Restart(ending, reply))
            .await
    }

    /// Sends one signal. After SIGKILL the container has ended, as in Docker,
    /// but for a process that the kernel cannot end just now.
    pub async fn kill(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let signal = signal_number(signal)?;
        let mut life = self.containers.find(id)?.watch();
        let before = life.borrow().exits;
        let sent = self.request(id, |reply| Message::Kill(signal, reply)).await;
        match sent {
            Err(error @ EngineError::NotRunning { .. }) => {
                return Err(EngineError::NotKilled {
                    name: id.to_owned(),
                    source: Box::new(error),
                });
            }
            other => other.map(drop)?,
        }
        if signal == SIGKILL {
            let ended = life.wait_for(|phase| phase.exits != before);
            let _ = tokio::time::timeout(KILLED, ended).await;
        }
        Ok(())
    }

    /// Freezes a container's processes.
    pub async fn pause(&self, id: &str) -> Result<(), EngineError> {
        let pause = |reply| Message::Pause(Pausing::User, reply);
        self.request(id, pause).await.map(drop)
    }

    /// Freezes them for one operation: should the engine end in the middle of
    /// it, the next one thaws them.
    pub async fn hold_still(&self, id: &str) -> Result<(), EngineError> {
        let pause = |reply| Message::Pause(Pausing::Engine, reply);
        self.request(id, pause).await.map(drop)
    }

    /// Thaws them.
    pub async fn unpause(&self, id: &str) -> Result<(), EngineError> {
        self.request(id, Message::Unpause).await.map(drop)
    }
}

fn ending(signal: Option<&str>, timeout: Option<i64>) -> Result<Ending, EngineError> {
    Ok(Ending {
        signal: signal.map(signal_number).transpose()?,
        timeout,
    })
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
