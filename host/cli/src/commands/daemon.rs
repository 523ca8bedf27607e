//! `bulkhead daemon`: becomes `bulkheadd`.

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::programs::become_program;

/// The daemon's program.
const PROGRAM: &str = "bulkheadd";

/// The hidden verb with which this program becomes a daemon of its own session.
pub(crate) const SESSION_VERB: &str = "daemon-session";

#[derive(Args, Debug)]
pub(crate) struct DaemonArgs {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    pub(crate) words: Vec<OsString>,
}

/// The session the daemon runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// The caller's: in the foreground, ended by Ctrl-C.
    Callers,
    /// One of its own, without a terminal.
    Own,
}

/// Becomes the daemon; returns only if that fails.
pub(crate) fn execute(words: &[OsString], session: Session) -> Error {
    if session == Session::Own {
        // It fails only for the leader of a group, which has no caller to be apart from.
        let _ = rustix::process::setsid();
    }
    become_program(PROGRAM, words)
}
