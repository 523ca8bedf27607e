//! A container's life as a pure policy.
//!
//! ```text
//!              start                 exit
//! Created ───────────────▶ Running ────────▶ Exited ──start──▶ Running
//!    │                      │   ▲              │
//!    │                 exit │   │ due          │
//!    │                      ▼   │              │
//!    │                    Restarting ──stop──▶ │
//!    └────────── remove ──────┬────────────────┘
//!                             ▼
//!                          Removing ──▶ (gone), or Dead when it cannot be removed
//! ```
//!
//! [`State`] is what is recorded, [`Life`] what one driver decides with. Both
//! do nothing: they say what is to be done.

mod life;
mod restart;

pub use life::{After, Life, Next};
pub use restart::{RestartPolicy, Restarts};

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
        /// Its processes are frozen.
        paused: bool,
    },
    /// Its first process ended, and its policy will start it again.
    Restarting {
        /// Nanoseconds since the epoch.
        started_at: u64,
        /// How it ended.
        status: ExitStatus,
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
    /// It is being removed.
    Removing {
        /// Nanoseconds since the epoch; 0 when it never started.
        started_at: u64,
        /// How it ended.
        status: ExitStatus,
    },
    /// It could not be removed; removing may be tried again.
    Dead {
        /// Nanoseconds since the epoch; 0 when it never started.
        started_at: u64,
        /// How it ended.
        status: ExitStatus,
        /// Why it could not be removed.
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
    /// Freeze its processes.
    Pause,
    /// Thaw them.
    Unpause,
    /// Stop it if it runs, and start it.
    Restart,
    /// Change its limits or its restart policy.
    Update,
    /// Give it another name.
    Rename,
    /// Remove it.
    Remove {
        /// Kill it first if it runs.
        force: bool,
    },
    /// Start one more process in it.
    Exec,
}

/// What the engine does about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Carry it out now.
    Proceed,
    /// End the process first; the request is answered after that.
    EndFirst,
    /// There is no process: give up the start that is due, then carry it out.
    CancelRestart,
    /// Already so.
    NothingToDo,
    /// Refused.
    Refuse(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its process does not run.
    NotRunning,
    /// It runs, and is not removed without force.
    StillRunning,
    /// It runs frozen, and is not removed without force.
    StillPaused,
    /// It waits for its next start, and is not removed without force.
    StillRestarting,
    /// A frozen container is not started.
    StartPaused,
    /// No process is started in a frozen container.
    ExecPaused,
    /// It is frozen already.
    AlreadyPaused,
    /// It is not frozen.
    NotPaused,
    /// It waits for its next start.
    Restarting,
    /// It is being removed, or could not be.
    MarkedForRemoval,
    /// Somebody removes it already.
    AlreadyRemoving,
}

impl State {
    /// Docker's word.
    pub fn status(&self) -> &'static str {
        match self {
            // What never ran is as it was created.
            State::Created | State::Exited { started_at: 0, .. } => "created",
            State::Running { paused: false, .. } => "running",
            State::Running { paused: true, .. } => "paused",
            State::Restarting { .. } => "restarting",
            State::Exited { .. } => "exited",
            State::Removing { .. } => "removing",
            State::Dead { .. } => "dead",
        }
    }

    /// Whether its first process runs.
    pub fn is_running(&self) -> bool {
        matches!(self, State::Running { .. })
    }

    /// Whether its processes are frozen.
    pub fn is_paused(&self) -> bool {
        matches!(self, State::Running { paused: true, .. })
    }

    /// Whether it runs or will by itself: what Docker calls running.
    pub fn is_active(&self) -> bool {
        matches!(self, State::Running { .. } | State::Restarting { .. })
    }

    /// When its last run began, nanoseconds since the epoch; 0 for never.
    pub fn started_at(&self) -> u64 {
        match self {
            State::Created => 0,
            State::Running { started_at, .. }
            | State::Restarting { started_at, .. }
            | State::Exited { started_at, .. }
            | State::Removing { started_at, .. }
            | State::Dead { started_at, .. } => *started_at,
        }
    }

    /// How its last run ended. `None` while it runs and before it ever did.
    pub fn last(&self) -> Option<ExitStatus> {
        match self {
            State::Created | State::Running { .. } => None,
            State::Restarting { status, .. }
            | State::Exited { status, .. }
            | State::Removing { status, .. }
            | State::Dead { status, .. } => Some(*status),
        }
    }

    /// Why it could not be started or removed; empty for no reason.
    pub fn error(&self) -> &str {
        match self {
            State::Exited { error, .. } | State::Dead { error, .. } => error,
            _ => "",
        }
    }

    /// What to do about `request` in this state.
    pub fn decide(&self, request: Request) -> Decision {
        use Decision::{CancelRestart, NothingToDo, Proceed, Refuse};
        match (self, request) {
            (State::Created | State::Exited { .. }, request) => at_rest(request),
            (State::Running { paused, .. }, request) => running(*paused, request),
            (State::Restarting { .. }, request) => match request {
                Request::Start => NothingToDo,
                Request::Stop | Request::Kill | Request::Restart => CancelRestart,
                Request::Remove { force: true } => CancelRestart,
                Request::Remove { force: false } => Refuse(Refusal::StillRestarting),
                Request::Update | Request::Rename => Proceed,
                Request::Unpause => Refuse(Refusal::NotPaused),
                Request::Pause | Request::Exec => Refuse(Refusal::Restarting),
            },
            (State::Dead { .. }, Request::Remove { .. }) => Proceed,
            (State::Removing { .. }, Request::Remove { .. }) => Refuse(Refusal::AlreadyRemoving),
            (State::Removing { .. } | State::Dead { .. }, request) => match request {
                Request::Stop => NothingToDo,
                Request::Kill | Request::Pause | Request::Exec => Refuse(Refusal::NotRunning),
                Request::Unpause => Refuse(Refusal::NotPaused),
                _ => Refuse(Refusal::MarkedForRemoval),
            },
        }
    }

    pub(crate) fn ended(&self) -> (u64, ExitStatus) {
        let never = ExitStatus {
            code: 0,
            oom_killed: false,
            finished_at: 0,
        };
        (self.started_at(), self.last().unwrap_or(never))
    }
}

fn at_rest(request: Request) -> Decision {
    match request {
        Request::Stop => Decision::NothingToDo,
        Request::Kill | Request::Pause | Request::Exec => Decision::Refuse(Refusal::NotRunning),
        Request::Unpause => Decision::Refuse(Refusal::NotPaused),
        _ => Decision::Proceed,
    }
}

fn running(paused: bool, request: Request) -> Decision {
    use Decision::{EndFirst, NothingToDo, Proceed, Refuse};
    match (request, paused) {
        (Request::Start, false) => NothingToDo,
        (Request::Start, true) => Refuse(Refusal::StartPaused),
        (Request::Stop | Request::Restart, _) => EndFirst,
        (Request::Remove { force: true }, _) => EndFirst,
        (Request::Remove { force: false }, false) => Refuse(Refusal::StillRunning),
        (Request::Remove { force: false }, true) => Refuse(Refusal::StillPaused),
        (Request::Pause, true) => Refuse(Refusal::AlreadyPaused),
        (Request::Unpause, false) => Refuse(Refusal::NotPaused),
        (Request::Exec, true) => Refuse(Refusal::ExecPaused),
        _ => Proceed,
    }
}
