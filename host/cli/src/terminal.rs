//! The caller's terminal: raw mode and size.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Standard input in raw mode, until dropped.
pub(crate) struct RawMode {
    terminal: OwnedFd,
    saved: Termios,
}

impl RawMode {
    /// Passes every key on as it is typed: no echo, no line editing, no signals.
    pub(crate) fn enter() -> io::Result<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let saved = tcgetattr(&terminal)?;
        let mut raw = saved.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal, saved })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone, and then there is nothing to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.saved);
    }
}

/// Rows and columns of standard output, if it is a terminal that knows them.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Standard input without echo, until dropped. Keys come as they are typed,
/// Ctrl-C among them: a signal would end us with the terminal as it is now.
pub(crate) struct NoEcho {
    terminal: OwnedFd,
    saved: Termios,
}

impl NoEcho {
    /// Keeps what is typed from the screen.
    pub(crate) fn enter() -> io::Result<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let saved = tcgetattr(&terminal)?;
        let mut hidden = saved.clone();
        let typed = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        hidden.local_modes.remove(typed);
        tcsetattr(&terminal, OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, saved })
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // The terminal may be gone, and then there is nothing to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.saved);
    }
}
