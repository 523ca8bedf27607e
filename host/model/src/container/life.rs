//! What follows what: the transitions of a container's [`State`], and what
//! was asked to come after the end of its process.

use std::time::Duration;

use super::{Decision, Refusal, Request, RestartPolicy, Restarts, State};
use crate::process::ExitStatus;

/// What was asked to follow the end of the process. A later wish replaces an
/// earlier one only if it is further down this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// Nothing: the restart policy decides.
    #[default]
    Policy,
    /// It was stopped.
    Stay,
    /// It was restarted: it starts again at once.
    Start,
    /// It is to be removed.
    Remove,
}

/// What is to be done after the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Rest,
    /// Start it at once: somebody waits for it.
    Start,
    /// Start it after this time.
    StartIn(Duration),
    /// Remove it.
    Remove,
}

/// Everything one container's driver decides with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Where it is.
    pub state: State,
    /// What was asked to follow.
    pub next: Next,
    /// Its restarts so far.
    pub restarts: Restarts,
}

impl Life {
    /// A life taken up in `state`.
    pub fn new(state: State, restarts: Restarts) -> Self {
        Self {
            state,
            next: Next::Policy,
            restarts,
        }
    }

    /// What to do about a request; what an accepted one asks to follow the
    /// end of the process is kept.
    pub fn accept(&mut self, request: Request) -> Decision {
        let decision = self.decide(request);
        if matches!(decision, Decision::Refuse(_) | Decision::NothingToDo) {
            return decision;
        }
        let next = match request {
            Request::Stop => Next::Stay,
            Request::Restart => Next::Start,
            Request::Remove { .. } => Next::Remove,
            _ => return decision,
        };
        if self.state.is_running() {
            self.next = self.next.max(next);
        }
        self.restarts.stopped_by_hand |= request == Request::Stop;
        decision
    }

    fn decide(&self, request: Request) -> Decision {
        if self.next == Next::Remove && self.state.is_running() {
            match request {
                Request::Remove { .. } => return Decision::Refuse(Refusal::AlreadyRemoving),
                // A frozen process would not die.
                Request::Pause | Request::Restart => {
                    return Decision::Refuse(Refusal::MarkedForRemoval);
                }
                _ => {}
            }
        }
        self.state.decide(request)
    }

    /// A signal was sent by hand. One that is meant to end the container
    /// keeps its policy from starting it again.
    pub fn signalled(&mut self, ends: bool) {
        self.restarts.stopped_by_hand = true;
        if ends && self.state.is_running() {
            self.next = self.next.max(Next::Stay);
        }
    }

    /// Somebody starts it: its restarts are counted anew.
    pub fn start_by_hand(&mut self) {
        self.restarts = Restarts::default();
    }

    /// Its process runs.
    pub fn started(&mut self, pid: u32, now: u64) {
        self.next = Next::Policy;
        self.state = State::Running {
            started_at: now,
            pid,
            paused: false,
        };
    }

    /// Its process could not be started. What never ran stays as created.
    pub fn not_started(&mut self, status: ExitStatus, error: String) {
        self.next = Next::Policy;
        self.state = State::Exited {
            started_at: self.state.started_at(),
            status,
            error,
        };
    }

    /// Its processes were frozen or thawed.
    pub fn set_paused(&mut self, frozen: bool) {
        if let State::Running { paused, .. } = &mut self.state {
            *paused = frozen;
        }
    }

    /// Its process ended.
    pub fn ended(&mut self, status: ExitStatus, policy: RestartPolicy, auto_remove: bool) -> After {
        let started_at = self.state.started_at();
        let up = Duration::from_nanos(status.finished_at.saturating_sub(started_at));
        let next = std::mem::take(&mut self.next);
        self.state = State::Exited {
            started_at,
            status,
            error: String::new(),
        };
        match next {
            Next::Remove => After::Remove,
            Next::Start => After::Start,
            _ if auto_remove => After::Remove,
            Next::Stay => After::Rest,
            Next::Policy => match self.restarts.after(policy, status.code, up) {
                Some(wait) => {
                    self.state = State::Restarting { started_at, status };
                    After::StartIn(wait)
                }
                None => After::Rest,
            },
        }
    }

    /// The start that was due is given up.
    pub fn cancel_restart(&mut self) {
        if let State::Restarting { started_at, status } = self.state {
            self.restarts.stopped_by_hand = true;
            self.state = State::Exited {
                started_at,
                status,
                error: String::new(),
            };
        }
    }

    /// It did not end in time to be removed.
    pub fn give_up_removal(&mut self) {
        if self.next == Next::Remove {
            self.next = Next::Stay;
        }
    }

    /// Its removal begins.
    pub fn removing(&mut self) {
        let (started_at, status) = self.state.ended();
        self.state = State::Removing { started_at, status };
    }

    /// It could not be removed.
    pub fn not_removed(&mut self, error: String) {
        let (started_at, status) = self.state.ended();
        self.state = State::Dead {
            started_at,
            status,
            error,
        };
    }
}

#[cfg(test)]
mod tests;
