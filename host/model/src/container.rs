//! A container's life as a pure policy.
//!
//! ```text
//! Created ──start──▶ Running ──exit──▶ Exited ──start──▶ Running
//!    │                                   │
//!    └───────────────remove──────────────┴──▶ (gone)
//! ```

use crate::process::ExitStatus;

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Never started.
    Created,
    /// Its first process runs.
    Running {
        /// Nanoseconds since the epoch.
        started_at: u64,
        /// The first process, in the host's pid namespace.
        pid: u32,
    },
    /// Its first process ended, or could not be started.
    Exited {
        /// Nanoseconds since the epoch; 0 when it never started.
        started_at: u64,
        /// How it ended.
        status: ExitStatus,
        /// Why it could not be started.
        error: String,
    },
}

/// What a client may ask of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start its first process.
    Start,
    /// Stop it.
    Stop,
    /// Send it a signal.
    Kill,
    /// Remove it.
    Remove {
        /// Kill it first if it runs.
        force: bool,
    },
}

/// What the engine does about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Carry it out.
    Proceed,
    /// Kill it, wait for its end, then carry it out.
    KillFirst,
    /// Already so.
    NothingToDo,
    /// Refused: not running.
    NotRunning,
    /// Refused: it runs.
    StillRunning,
}

impl State {
    /// Docker's word: `created`, `running`, `exited`.
    pub fn status(&self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running { .. } => "running",
            State::Exited { .. } => "exited",
        }
    }

    /// Whether its first process runs.
    pub fn is_running(&self) -> bool {
        matches!(self, State::Running { .. })
    }

    /// What to do about `request` in this state.
    pub fn decide(&self, request: Request) -> Decision {
        match (self.is_running(), request) {
            (true, Request::Start) | (false, Request::Stop) => Decision::NothingToDo,
            (false, Request::Kill) => Decision::NotRunning,
            (true, Request::Remove { force: false }) => Decision::StillRunning,
            (true, Request::Remove { force: true }) => Decision::KillFirst,
            _ => Decision::Proceed,
        }
    }
}
